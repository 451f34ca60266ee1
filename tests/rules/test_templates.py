"""URL templates: no value changes the host."""

import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.shop import law
from tnc.core.errors import InvalidError
from tnc.rules.macros import ALIASES, MACROS, is_unexpanded, read_macro
from tnc.rules.templates import TextTemplate, UrlTemplate

CATALOGUE = Path(__file__).parents[2] / "tnc" / "campaigns" / "templates" / "catalogue.toml"

hostile = st.one_of(
    st.text(),
    st.sampled_from(
        ["@evil.example", "//evil.example", "\\\\evil.example", ":8080", ".evil.example/", "\r\nSet-Cookie: a=b"]
    ),
    st.text(alphabet="@:/\\?#%.\r\n\t [ab", max_size=20),
)
starts = st.sampled_from(
    [
        "https://shop.example/{A}",
        "https://shop.example?x={A}&y={B}",
        "http://shop.example:8080/a{A}/{B}?c={A}#{B}",
        "https://[2001:db8::1]/{A}",
        "HTTPS://Shop.Example/{A}{B}",
        "https://shop.example#{A}",
    ]
)
macros = st.sampled_from(["click_id", "raw:param.x", "_sub1", "param.x:raw", "sub_id_2"])


@law
@given(starts, macros, macros, hostile, hostile)
def test_no_macro_value_changes_scheme_host_or_port(text: str, one: str, two: str, first: str, second: str) -> None:
    template = UrlTemplate.parse(text.replace("{A}", f"{{{one}}}").replace("{B}", f"{{{two}}}"))
    names = sorted(template.macros)

    url = template.fill(lambda name: first if name == names[0] else second)

    wanted, found = urlsplit(text.split("{", maxsplit=1)[0]), urlsplit(url)
    assert (found.scheme, found.netloc) == (wanted.scheme, wanted.netloc.lower())
    assert url.isascii()
    assert not re.search(r"[\x00-\x20\x7f\"<>\\^`{|}]", url)


@law
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_value_arrives_unchanged(value: str) -> None:
    url = UrlTemplate.parse("https://shop.example/?a=1&b={sub1}&c=2").fill(lambda _: value)

    assert unquote(urlsplit(url).query.split("&b=")[1].removesuffix("&c=2")) == value


def test_raw_values_keep_url_characters_and_lose_control_characters() -> None:
    url = UrlTemplate.parse("https://shop.example/{raw:param.to}").fill(lambda _: "a/b?c=d&e=é\r\n f")

    assert url == "https://shop.example/a/b?c=d&e=%C3%A9%20f"


def test_a_macro_without_a_value_becomes_empty() -> None:
    url = UrlTemplate.parse("https://shop.example/?a={sub1}&b={city}").fill(lambda _: None)

    assert url == "https://shop.example/?a=&b="


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("javascript:alert(1)", "no URL"),
        ("//shop.example/", "no URL"),
        ("ftp://shop.example/", "no URL"),
        ("{param.url}", "no URL"),
        ("https://{domain}/x", "no URL"),
        ("{raw:param.scheme}://shop.example/", "no URL"),
        ("https://shop{sub1}.example/", "before the path"),
        ("https://shop.example{sub1}", "before the path"),
        ("https://shop.example:{sub1}/", "before the path"),
        ("https://shop.example@evil.example/", "user and password"),
        ("https://shop.example\\@evil.example/", "is not allowed in or after a host"),
        ("https://shop.example:99999/", "no host"),
        ("https://shop..example/", "no host"),
        ("https://[::1/", "no host"),
        ("https://-/", "no host"),
        ("https:///x", "no URL"),
        ("", "no URL"),
        ("https://shop.example/a b", "write %20"),
        ("https://shop.example/\x00", "write %20"),
        ("https://shop.example/{", "belongs to no macro"),
        ("https://shop.example/{}", "belongs to no macro"),
        ("https://shop.example/?a={clik_id}", "did you mean {click_id}?"),
        ("https://shop.example/?a=%7Bclik_id%7D", "did you mean {click_id}?"),
        ("https://shop.example/?a={{ad.id}}", "no macro {ad.id}"),
        ("https://shop.example/?a={zzzzzz}", "docs/rules.md"),
        ("https://shop.example/?a={sub21}", "no macro"),
        ("https://shop.example/?a={param.}", "no macro"),
        ("https://shop.example/?a={status:paid=1}", "lead=0 sale=1"),
    ],
)
def test_a_url_that_could_lead_elsewhere_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(InvalidError) as caught:
        UrlTemplate.parse(text)

    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "url"),
    [
        (" https://shop.example/?a=%7Bclick_id%7D ", "https://shop.example/?a=click_id"),
        ("https://shop.example/?a=%7braw%3Asub1%7d", "https://shop.example/?a=sub1"),
        ("https://shop.example/?a=%7B%22x%22%3A1%7D", "https://shop.example/?a=%7B%22x%22%3A1%7D"),
        ("https://bücher.example/weiß?é", "https://xn--bcher-kva.example/wei%C3%9F?%C3%A9"),
        ("https://shop.example", "https://shop.example"),
        ("https://shop_1.example/a", "https://shop_1.example/a"),
    ],
)
def test_encoded_macros_and_host_names_are_normalised(text: str, url: str) -> None:
    assert UrlTemplate.parse(text).fill(lambda name: name) == url


@pytest.mark.parametrize("alias", ALIASES)
def test_macros_of_other_trackers_are_aliases_of_ours(alias: str) -> None:
    name = read_macro(alias).name

    assert name in MACROS or name.startswith("param.")
    assert alias not in MACROS


@pytest.mark.parametrize(
    ("written", "name", "raw"),
    [
        ("subid", "click_id", False),
        ("sub_id_12", "sub12", False),
        ("t20", "sub20", False),
        ("var10", "sub10", False),
        ("trafficsource.name", "source_name", False),
        ("carrier", "isp", False),
        ("device_type:en", "device", False),
        ("_keyword", "param.keyword", True),
        ("keyword:utf-8", "param.keyword", False),
        ("campaign.id", "campaign", False),
        ("raw:param.q", "param.q", True),
        ("externalid:raw", "external_id", True),
        ("var:zone", "param.zone", False),
        ("param.utm-source", "param.utm-source", False),
    ],
)
def test_a_macro_is_read_in_every_spelling(written: str, name: str, raw: bool) -> None:
    macro = read_macro(written)

    assert (macro.name, macro.raw) == (name, raw)


def test_a_status_can_be_mapped_to_other_texts() -> None:
    template = UrlTemplate.parse("https://ads.example/pb?s={status:lead=0 sale=1}&t={status:sale=ok,rejected=no}")

    assert dict(parse_qsl(urlsplit(template.fill(lambda _: "sale")).query)) == {"s": "1", "t": "ok"}
    assert dict(parse_qsl(urlsplit(template.fill(lambda _: "rejected")).query)) == {"s": "rejected", "t": "no"}


def test_a_body_keeps_its_own_braces() -> None:
    body = TextTemplate.parse('{"id": "{click_id}", "sub": "{_sub1}", "more": {"a": 1}}')

    filled = body.fill({"click_id": 'a"b', "sub1": "c"}.get, lambda value: value.replace('"', '\\"'))

    assert filled == '{"id": "a\\"b", "sub": "c", "more": {"a": 1}}'


@pytest.mark.parametrize(
    ("host", "ascii_host"),
    [
        ("straße.example", "xn--strae-oqa.example"),
        ("faß.example", "xn--fa-hia.example"),
        ("κλαρα-σωλις.example", "xn----ylba7abgd9bnh0e.example"),
        ("日本語。example", "xn--wgv71a119e.example"),
        ("BÜCHER.example", "xn--bcher-kva.example"),
        ("i❤.example", "xn--i-7iq.example"),
        ("xn--strae-oqa.example", "xn--strae-oqa.example"),
    ],
)
def test_hosts_are_encoded_as_browsers_do(host: str, ascii_host: str) -> None:
    assert UrlTemplate.parse(f"https://{host}/x").host == ascii_host


@pytest.mark.parametrize(
    "url", ["https://a/?q=%7Bname%7D", "https://a/?q=%7B%22a%22:%22b%22%7D", "https://a/%7bid:1%7d"]
)
def test_encoded_braces_around_no_macro_stay_in_a_url(url: str) -> None:
    assert UrlTemplate.parse(url).fill(lambda _: "never") == url


def test_encoded_braces_around_a_macro_are_a_macro() -> None:
    template = UrlTemplate.parse("https://a/?q=%7Bclick_id%7D&j=%7B%22k%22:%22{click_id}%22%7D")

    assert template.fill(lambda _: "c1") == "https://a/?q=c1&j=%7B%22k%22:%22c1%22%7D"


@pytest.mark.parametrize(
    "value",
    [
        "{{ad.id}}", "{{site_source_name}}", "%7B%7Bad.id%7D%7D", "%7B%7Bad.id%7D%7d", "${SUBID}", "{clickid}",
        "{$click_id}",
        "{:click_id}", "__CLICKID__", "__CAMPAIGN_NAME__", "[clickid]", "[[[subid]]]", "%5Bclickid%5D",
        "%%CLICK_ID%%", "<id>",
        "#s2#", "@@id@@", "%ID%", "x_{{ad.name}}_y", "{campaign-id}", "{{campaign name}}",
    ],
)  # fmt: skip
def test_an_unexpanded_macro_is_recognised(value: str) -> None:
    assert is_unexpanded(value)


@pytest.mark.parametrize(
    "value",
    [
        "", "abc", "a_b", "__init", "100%", "50%25", "a[1]", "[x] y", "1<2", "#top",
        "{3F2504E0-4F89-11D3-9A0C-0305E82C3301}",
        "FB__US__PROSPECTING", "[RETARGETING]", "2026_{Promo}_Sale", "price in {USD}", "QWxh__B7__c2", "{Promo}",
        "__US__", "<New>", "#1#", "%OFF%", "a[country]b", "{USD}",
        '{"a":1}', "IwAR0_x__y-z", "fb.1.1554763741205.AbCdEf__gh_", "{}", "%E2%82%AC", "_ _",
    ],
)  # fmt: skip
def test_an_ordinary_value_is_not_taken_for_a_macro(value: str) -> None:
    assert not is_unexpanded(value)


def test_every_macro_of_the_template_catalogue_is_recognised() -> None:
    written = re.compile(r"\{\{[^{}]+\}\}|\$?\{[^{}]+\}|__[A-Z0-9_]+__|\[+[A-Za-z][\w.:-]*\]+|##[A-Z_]+##|@@\w+@@")
    macros = {
        macro
        for source in tomllib.loads(CATALOGUE.read_text(encoding="utf-8"))["source"]
        for value in (*source.values(), *source.get("extra", {}).values())
        if isinstance(value, str)
        for macro in written.findall(value)
        if value == macro
    }

    assert len(macros) > 250
    assert [macro for macro in sorted(macros) if not is_unexpanded(macro)] == []


@law
@given(st.text())
def test_any_text_can_be_checked_for_macros(value: str) -> None:
    assert is_unexpanded(value) in {True, False}
