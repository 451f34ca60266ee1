"""SQL in values: options of commands and parameters of pages are values, never statements."""

from urllib.parse import quote

import pytest

from tests.security.target import Target

pytestmark = pytest.mark.e2e

PAYLOADS = (
    "' OR '1'='1", "'; DROP TABLE clicks; --", '" OR ""="', "1); ATTACH '/tmp/x'; --", "') UNION SELECT 1,2,3 --",
    "country; COPY (SELECT 1) TO '/tmp/x'", "\\'", "%27", "sub1=x' --", "read_csv('/etc/passwd')",
)  # fmt: skip
ENGINES = ("sqlite", "duckdb", "syntax error", 'near "', "parser error", "catalog error", "binder error", "traceback")


@pytest.mark.parametrize("payload", PAYLOADS)
def test_in_options_of_a_report(target: Target, payload: str) -> None:
    for words in (
        ("report", "--by", payload, "--json"),
        ("report", "--by", "country", "--where", f"sub1={payload}", "--json"),
        ("report", "--by", "country", "--sort", payload, "--json"),
    ):
        done = target.tnc(*words)
        assert done.returncode in (0, 2), done.stderr
        assert not any(word in done.stderr.lower() for word in ENGINES), done.stderr


@pytest.mark.parametrize("payload", PAYLOADS)
def test_in_parameters_of_pages(target: Target, payload: str) -> None:
    value = quote(payload, safe="")
    for path in (
        f"/reports?by={value}", f"/reports?by=country&where={value}", f"/reports?by=country&sort={value}",
        f"/reports?by=country&timezone={value}", f"/clicks?campaign={value}", f"/clicks?traffic={value}",
        f"/clicks/{value}", f"/campaigns/{value}",
    ):  # fmt: skip
        reply = target.dashboard(path)
        assert reply.status < 500, path
        shown = reply.body.lower()
        assert not any(word in shown for word in ENGINES if word != 'near "'), path


@pytest.mark.parametrize("payload", PAYLOADS)
def test_in_postbacks_and_links(target: Target, payload: str) -> None:
    value = quote(payload, safe="")
    assert target.get(f"/go?site={value}&ext={value}").status == 302
    assert target.get(f"/postback?cid={value}&txid={value}").status in (400, 404)
