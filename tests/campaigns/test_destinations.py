"""Destinations: the keys of each type, and hosts that are refused."""

# ruff: noqa: E501 - a message is asserted in one piece

import pytest

from tests.campaigns.shop import mistakes, read, shop
from tnc.campaigns.destination_schema import COMMON
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.core.models import DestinationId

COMPLETE = {
    "meta": 'pixel = "1"\naccess_token = "t"',
    "tiktok": 'pixel = "C1"\naccess_token = "t"',
    "snapchat": 'pixel = "1"\naccess_token = "t"',
    "google-data-manager": 'account = "1"\nconversion_action = "2"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"',
    "google-ads": 'account = "1"\nconversion_action = "2"\nclient_id = "c"\nclient_secret = "s"\nrefresh_token = "r"\ndeveloper_token = "d"',
    "google-csv": 'conversion_name = "Sale"',
    "microsoft-csv": 'conversion_name = "Sale"',
    "postback": 'url = "https://crm.example/pb?id={conversion_id}"',
    "webhook": 'url = "https://crm.example/hook"\nsecret = "whsec_c2VjcmV0"',
}
UNFILLED = 'still holds "YOUR_": put in what the platform gave you.'


def destination(kind: str, lines: str = "", *, complete: bool = True) -> str:
    return f'[[destination]]\nid = "x"\ntype = "{kind}"\n{COMPLETE[kind] if complete else ""}\n{lines}'


def advice(host: str) -> str:
    return f'allow it in config.toml with [outbound] allow_hosts = ["{host}"] if this is intended.'


@pytest.mark.parametrize("kind", PLATFORMS)
def test_every_type_is_read_with_its_needed_keys_alone(kind: str) -> None:
    found = read(destination(kind)).destinations[DestinationId("x")]

    needed = {key for key, each in PLATFORMS[found.type].keys.items() if each.needed}
    defaults = {key for key, each in PLATFORMS[found.type].keys.items() if each.default is not None}
    assert set(found.settings) == needed | defaults
    assert (found.on, found.first, found.share, found.consent) == (("sale",), False, 1.0, "unless-denied")


@pytest.mark.parametrize("kind", PLATFORMS)
def test_every_needed_key_is_required(kind: str) -> None:
    needed = {key: each for key, each in PLATFORMS[kind].keys.items() if each.needed}

    assert mistakes(destination(kind, complete=False)) == [
        f'[[destination]] "x": {key} is missing; it must be {each.shape.allowed}.' for key, each in needed.items()
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[destination]]\nid = "x"',
            'type is missing; it must be "meta", "tiktok", "snapchat", "google-data-manager", "google-ads", "google-csv", "microsoft-csv", "postback" or "webhook".',
        ),
        (
            '[[destination]]\nid = "x"\ntype = "metta"',
            'type must be "meta", "tiktok", "snapchat", "google-data-manager", "google-ads", "google-csv", "microsoft-csv", "postback" or "webhook", not "metta"; did you mean "meta"?',
        ),
        (destination("meta", 'developer_token = "d"'), 'developer_token belongs to the type "google-ads", not to "meta".'),
        (
            destination("webhook", 'pixel = "1"'),
            'pixel belongs to the type "meta", "tiktok" or "snapchat", not to "webhook".',
        ),
        (
            destination("postback", 'base_url = "https://a.example"'),
            'base_url belongs to the type "meta", "tiktok", "snapchat", "google-data-manager" or "google-ads", not to "postback".',
        ),
        (
            destination("tiktok", 'acess_token = "t"'),
            f'acess_token is not known here; did you mean "access_token"? Known: {", ".join((*COMMON, *PLATFORMS["tiktok"].keys))}.',
        ),
        (destination("meta", "on = []"), "on must be a list of at least 1, each text, not an empty list."),
        (destination("meta", 'on = "sale"'), 'on must be a list of at least 1, each text, not "sale".'),
        (destination("meta", "events = { sale = 1 }"), "events.sale must be text, not 1."),
        (destination("meta", 'first = "yes"'), 'first must be true or false, not "yes".'),
        (destination("meta", "share = 1.5"), "share must be a number from 0 to 1, not 1.5."),
        (
            destination("meta", 'consent = "always"'),
            'consent must be "unless-denied" or "require-granted", not "always".',
        ),
        (
            destination("meta", 'base_url = "graph.facebook.com"'),
            'base_url must be scheme, host and path prefix like https://example.com/prefix, not "graph.facebook.com".',
        ),
        (
            destination("meta", 'base_url = "https://a.example/?x"'),
            'base_url must be scheme, host and path prefix like https://example.com/prefix, not "https://a.example/?x".',
        ),
        (
            destination("meta", 'base_url = "https://a.example:99999"'),
            'base_url must be scheme, host and path prefix like https://example.com/prefix, not "https://a.example:99999".',
        ),
        (destination("meta", 'api_version = "26"'), 'api_version must be a version like v26 or v26.0, not "26".'),
        (destination("meta", "page = 7"), "page must be an http or https address without macros, not 7."),
        (
            destination("meta", 'page = "https://a.example/{sub1}"'),
            'page takes no macros, and "https://a.example/{sub1}" holds a brace.',
        ),
        (
            destination("meta").replace('pixel = "1"', 'pixel = "1/2"'),
            'pixel must be letters, digits, - and _, in quotes, not "1/2".',
        ),
        (
            destination("meta").replace('pixel = "1"', "pixel = 1"),
            "pixel must be letters, digits, - and _, in quotes, not 1.",
        ),
        (
            destination("google-ads").replace('account = "1"', 'account = "123-456-7890"'),
            'account must be digits only, in quotes, not "123-456-7890".',
        ),
        (destination("google-csv", 'timezone = "here"'), 'timezone must be a time zone like UTC or Europe/Berlin, not "here".'),
        (
            destination("webhook").replace("whsec_c2VjcmV0", "c2VjcmV0"),
            'secret must be "whsec_" and then base64, as Standard Webhooks requires.',
        ),
        (
            destination("webhook").replace("whsec_c2VjcmV0", "whsec_***"),
            'secret must be "whsec_" and then base64, as Standard Webhooks requires.',
        ),
        (
            destination("webhook").replace('"whsec_c2VjcmV0"', '"(kept)"'),
            'secret is "(kept)", but nothing is stored yet: give it as text, "env:NAME" or "file:/path".',
        ),
        (destination("postback", 'method = "PUT"'), 'method must be "GET" or "POST", not "PUT".'),
        (destination("postback", 'body = "a"'), 'body is sent with method = "POST" only.'),
        (
            destination("postback", 'method = "POST"\nbody = "a={clickid}&b={payuot}"'),
            "body cannot be used: there is no macro {payuot}; did you mean {payout}?",
        ),
        (
            destination("postback").replace("{conversion_id}", "{conversionid}"),
            "url cannot be used: there is no macro {conversionid}; did you mean {conversion_id}?",
        ),
        (destination("postback", 'headers = { "X Y" = "1" }'), None),
        (destination("postback", "headers = { X-A = 1 }"), 'headers.X-A must be a secret: text, "env:NAME", "file:/path" or "(kept)".'),
        (destination("postback", 'headers = { X-A = "env:LINES" }'), "headers.X-A is not a usable secret: it must be one line of 1 to 10000 printable characters."),
    ],
)  # fmt: skip
def test_a_wrong_destination_is_refused(text: str, sentence: str | None) -> None:
    message = sentence or 'headers."X Y" is not a key here; it must be the name of a header, not "X Y".'

    assert mistakes(text) == [f'[[destination]] "x": {message}']


@pytest.mark.parametrize("key", ["success", "failure"])
def test_a_wrong_pattern_is_refused_with_the_message_of_re2(key: str) -> None:
    (message,) = mistakes(destination("postback", f'{key} = "("'))

    assert message.startswith(f"[[destination]] \"x\": {key} cannot be used: the pattern '(' is not valid in RE2")


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (destination("meta", 'name = "YOUR_PIXEL"'), "name"),
        (destination("meta").replace('"t"', '"YOUR_TOKEN"'), "access_token"),
        (destination("meta").replace('"t"', '"env:UNFILLED"'), "access_token"),
        (destination("meta", 'base_url = "https://YOUR_HOST.example"'), "base_url"),
        (destination("meta", 'on = ["YOUR_EVENT"]'), "on"),
        (destination("meta", 'events = { sale = "YOUR_EVENT" }'), "events.sale"),
        (destination("postback", 'headers = { Authorization = "Bearer YOUR_KEY" }'), "headers.Authorization"),
        (destination("postback").replace("/pb", "/YOUR_ACCOUNT"), "url"),
        (destination("postback", 'method = "POST"\nbody = "a=YOUR_KEY"'), "body"),
    ],
)
def test_a_placeholder_of_a_template_is_refused(text: str, key: str) -> None:
    assert mistakes(text) == [f'[[destination]] "x": {key} {UNFILLED}']


@pytest.mark.parametrize(
    ("host", "shown", "kind"),
    [
        ("localhost", "localhost", "a loopback address"),
        ("x.localhost.", "x.localhost", "a loopback address"),
        ("127.0.0.1", "127.0.0.1", "a loopback address"),
        ("127.1", "127.1", "a loopback address"),
        ("0x7f000001", "0x7f000001", "a loopback address"),
        ("2130706433", "2130706433", "a loopback address"),
        ("[::1]", "::1", "a loopback address"),
        ("[::ffff:127.0.0.1]", "::ffff:127.0.0.1", "a loopback address"),
        ("[64:ff9b::a00:1]", "64:ff9b::a00:1", "a private address"),
        ("[2002:0a00:0001::]", "2002:0a00:0001::", "a private address"),
        ("10.0.0.1", "10.0.0.1", "a private address"),
        ("172.16.0.1", "172.16.0.1", "a private address"),
        ("192.168.1.1", "192.168.1.1", "a private address"),
        ("100.64.0.1", "100.64.0.1", "a private address"),
        ("[fd00::1]", "fd00::1", "a private address"),
        ("0.0.0.0", "0.0.0.0", "a private address"),
        ("224.0.0.1", "224.0.0.1", "a private address"),
        ("169.254.1.1", "169.254.1.1", "a link-local address"),
        ("[fe80::1]", "fe80::1", "a link-local address"),
        ("169.254.169.254", "169.254.169.254", "a metadata address of a cloud"),
        ("168.63.129.16", "168.63.129.16", "a metadata address of a cloud"),
        ("metadata.google.internal", "metadata.google.internal", "a metadata address of a cloud"),
        ("[fd00:ec2::254]", "fd00:ec2::254", "a metadata address of a cloud"),
        ("\uff11\uff12\uff17.0.0.1", "127.0.0.1", "a loopback address"),
    ],
)
def test_private_and_local_hosts_are_refused(host: str, shown: str, kind: str) -> None:
    text = destination("postback").replace("crm.example", host)

    assert mistakes(text) == [f'[[destination]] "x": url leads to {shown}, {kind}: {advice(shown)}']


@pytest.mark.parametrize("host", ["93.184.215.14", "[2606:2800:21f:cb07::1]", "crm.example", "127.0.0.1.example"])
def test_public_hosts_are_allowed(host: str) -> None:
    read(destination("postback").replace("crm.example", host))


@pytest.mark.parametrize(
    ("text", "key", "host"),
    [
        (destination("webhook").replace("https:", "http:"), "url", "crm.example"),
        (destination("meta", 'base_url = "http://graph.example"'), "base_url", "graph.example"),
        (destination("google-ads", 'token_url = "http://oauth.example/t"'), "token_url", "oauth.example"),
        (destination("postback", 'headers = { X-A = "k" }').replace("https:", "http:"), "url", "crm.example"),
    ],
)
def test_no_secret_goes_over_plain_http(text: str, key: str, host: str) -> None:
    message = f"{key} would send a secret over plain http to {host}: use https, or {advice(host)}"

    assert mistakes(text) == [f'[[destination]] "x": {message}']
    assert read(text, allow_hosts=(host,)).destinations


def test_plain_http_without_a_secret_is_allowed() -> None:
    read(destination("postback").replace("https:", "http:"))


@pytest.mark.parametrize(
    "allowed", ["127.0.0.1", "127.0.0.1:9000", "[::1]:9000", "::1", "[::1]", "LOCALHOST", "localhost:9000"]
)
def test_allowed_hosts_may_be_private_and_plain_http(allowed: str) -> None:
    host = allowed.lower().removesuffix(":9000")
    host = f"[{host}]" if host == "::1" else host

    read(destination("meta", f'base_url = "http://{host}:9000/meta"'), allow_hosts=(allowed,))


def test_hosts_beside_the_allowed_ones_are_refused() -> None:
    text = destination("meta", 'base_url = "http://127.0.0.1:9001"')

    assert mistakes(text, allow_hosts=("127.0.0.1:9000", "127.0.0.2")) == [
        f'[[destination]] "x": base_url leads to 127.0.0.1, a loopback address: {advice("127.0.0.1")}'
    ]


def test_kept_does_not_reuse_a_secret_for_another_type() -> None:
    text = '[[destination]]\nid = "meta-main"\ntype = "tiktok"\npixel = "C1"\naccess_token = "(kept)"'

    assert mistakes(text, base=shop()) == [
        '[[destination]] "meta-main": access_token is "(kept)", but nothing is stored yet: give it as text, "env:NAME" or "file:/path".'
    ]
