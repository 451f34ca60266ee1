"""Conditions on the networks of ad platforms are refused: they separate reviewers from visitors as names do."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Tnc

SHOP = '[[offer]]\nid = "shoes"\nurl = "https://shop.example/"\n'


def flow(condition: str) -> str:
    return (
        f'{SHOP}[[campaign]]\nid = "c"\n[[campaign.flow]]\nid = "f"\nwhen = [ {condition} ]\n'
        'offers = [ { id = "shoes" } ]\n'
    )


def filter_(condition: str) -> str:
    return f'[[filter]]\nid = "f"\nwhen = [ {condition} ]\naction = {{ type = "status", code = 404 }}\n'


@pytest.mark.parametrize("write", [flow, filter_])
@pytest.mark.parametrize(
    "condition",
    [
        '{ fact = "ip", in = ["66.249.64.0/27"] }',  # Google
        '{ fact = "ip", in = ["66.249.64.0/27", "31.13.64.0/18", "2a03:2880::/32"] }',  # Meta
        '{ fact = "ip", in = "::ffff:31.13.64.0/114" }',
        '{ fact = "ip", in = ["66.249.64.0/19"] }',  # its owner publishes it as hundreds of smaller networks
        '{ fact = "ip", is = ["31.13.64.7"] }',
        '{ fact = "ip", not = ["31.13.64.7", "unknown"] }',
        '{ fact = "ip", starts = "31.13.64." }',
        '{ fact = "ip", matches = "^31[.]13[.]6[4-9][.]" }',
        '{ fact = "ip", starts = ["66.249.64.", "31.13.64."] }',
        '{ fact = "header.X-Forwarded-For", starts = "31.13.64." }',
        '{ fact = "header.cf-connecting-ip", is = ["31.13.64.7"] }',
    ],
)
def test_a_condition_on_the_ip_addresses_of_an_ad_platform_is_refused(
    tnc: Tnc, tmp_path: Path, write: object, condition: str
) -> None:
    file = tmp_path / "line.toml"
    file.write_text(write(condition))  # type: ignore[operator]

    done = tnc("apply", str(file))

    assert done.code == 2
    assert "singles out an ad platform's own network" in done.err
    assert "may tell them apart" in done.err
    assert tnc("export").out == ""


@pytest.mark.parametrize(
    "condition",
    [
        '{ fact = "ip", in = ["203.0.113.0/24"] }',
        '{ fact = "ip", in = ["31.13.64.0/18", "81.2.69.0/24"] }',
        '{ fact = "ip", in = ["0.0.0.0/1"] }',
        '{ fact = "ip", in = ["157.240.0.0/15"] }',
        '{ fact = "ip", is = ["unknown"] }',
        '{ fact = "ip", starts = "81.2.69." }',
        '{ fact = "ip", starts = "66." }',
        '{ fact = "ip", contains = "." }',
        '{ fact = "ip", matches = ":" }',
        '{ fact = "header.accept", contains = "31.13" }',
    ],
)
def test_a_condition_on_other_ip_addresses_is_accepted(tnc: Tnc, tmp_path: Path, condition: str) -> None:
    file = tmp_path / "line.toml"
    file.write_text(flow(condition))

    assert tnc("apply", str(file)).code == 0


def test_a_command_loads_only_the_libraries_it_needs() -> None:
    program = (
        "import sys; sys.argv = ['tnc', 'version']\nfrom tnc.cli.main import main\n"
        "try: main()\nfinally: print(*sys.modules)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert {"tnc", "click"} <= loaded
    assert loaded.isdisjoint(
        {"aiohttp", "asyncio", "sqlite3", "aiosqlite", "duckdb", "msgspec", "cryptography", "jinja2"}
    )
