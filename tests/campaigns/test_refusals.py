"""Every refusal of a file names the table, the key, what is wrong and what is allowed."""

# ruff: noqa: E501 - a message is asserted in one piece

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.campaigns.shop import SHOP, mistakes, read, refusal, shop
from tnc.campaigns.parse import read_toml
from tnc.campaigns.platforms.registry import PLATFORMS
from tnc.campaigns.schema import NOUNS
from tnc.core.errors import InvalidError
from tnc.core.models import Configuration, FilterId
from tnc.rules.templates import UrlTemplate

KEYS_OF_OFFER = "Known: id, name, network, url, payout, max_payout, currency, cap, paused, archived."
URL = "must be an http or https URL, with macros, not"
SLUG = "must be lower-case letters, digits and hyphens, at most 64, with no hyphen in front, not"
PATH = "must be letters, digits and . _ ~ - in parts between single slashes, with none at the ends, not"
RESERVED = (
    "Reserved: click, click.php, gpb.php, postback, conversion.gif, tnc.js, privacy, .well-known, -, robots.txt,"
    " favicon.ico."
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a = = 1", "line 1, column 5: Invalid value"),
        ('[[offer]]\nid = "a"\nid = "b"', "line 3, column 9: Cannot overwrite a value"),
        ('a = "b', "line 1, column 7: Unterminated string"),
        ('a = "b"\n[[offer', "line 2, column 8: Expected ']]' at the end of an array declaration"),
    ],
)
def test_what_is_not_toml_is_refused_with_line_and_column(text: str, sentence: str) -> None:
    assert refusal(text) == f"shop.toml is not TOML: {sentence}; nothing was changed."


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            '[[ofer]]\nid = "a"',
            (
                '[ofer] is not known here; did you mean "offer"? Known: [[source]], [[network]], [[offer]], [[lander]],'
                " [[filter]], [[destination]], [[campaign]]."
            ),
        ),
        ('[offer]\nid = "a"', "[offer] is written with two brackets: [[offer]]."),
        ("offer = [1]", '[[offer]] number 1: id is missing; give it an id of your own like "summer-1".'),
        ('[[offer]]\nname = "a"', '[[offer]] number 1: id is missing; give it an id of your own like "summer-1".'),
        ('[[lander]]\nid = "Quiz"', f'[[lander]] number 1: id {SLUG} "Quiz".'),
        ('[[lander]]\nid = "-quiz"', f'[[lander]] number 1: id {SLUG} "-quiz".'),
        (f'[[lander]]\nid = "{"q" * 65}"', f'[[lander]] number 1: id {SLUG} "{"q" * 57}...".'),
        ("[[lander]]\nid = 7", f"[[lander]] number 1: id {SLUG} 7."),
        (
            '[[lander]]\nid = "a"\nurl = "https://a.example"\n[[lander]]\nid = "a"\nurl = "https://b.example"',
            '[[lander]] "a": id is in the file twice.',
        ),
    ],
)
def test_tables_and_ids_are_refused(text: str, sentence: str) -> None:
    assert mistakes(text) == [sentence]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'colour = "red"',
            f'colour is not known here; did you mean "currency"? {KEYS_OF_OFFER}'.replace(
                '; did you mean "currency"?', "."
            ),
        ),
        ("payuot = 1", f'payuot is not known here; did you mean "payout"? {KEYS_OF_OFFER}'),
        ('"a b" = 1', f'"a b" is not known here. {KEYS_OF_OFFER}'),
        ("name = 7", "name must be text, not 7."),
        ('name = ""', 'name must be text, not "".'),
        (f'name = "{"n" * 201}"', "name is 201 characters long, and 200 are allowed."),
        ('name = "a\\u0007"', 'name holds a control character: "a\\u0007".'),
        (
            'network = "god-network"',
            'network is "god-network", and there is no such network; did you mean "good-network"? Known: "good-network".',
        ),
        ("network = []", "network must be the id of a [[network]], not an empty list."),
        ("payout = -1", 'payout must be a number from 0 to 1000000000 or "from-postback", not -1.'),
        ("payout = nan", 'payout must be a number from 0 to 1000000000 or "from-postback", not nan.'),
        ("payout = inf", 'payout must be a number from 0 to 1000000000 or "from-postback", not inf.'),
        ("payout = true", 'payout must be a number from 0 to 1000000000 or "from-postback", not true.'),
        ('payout = "12"', 'payout must be a number from 0 to 1000000000 or "from-postback", not "12".'),
        (
            'currency = "usd"',
            'currency must be a currency of ISO 4217 like USD, in capitals, not "usd"; did you mean "USD"?',
        ),
        ('currency = "???"', 'currency must be a currency of ISO 4217 like USD, in capitals, not "???".'),
        ("cap = 100", "cap must be a table, not 100."),
        ('cap = { per = "day" }', "cap.conversions is missing; it must be a whole number from 1 to 1000000000."),
        ("cap = { conversions = 0 }", "cap.conversions must be a whole number from 1 to 1000000000, not 0."),
        ("cap = { conversions = 1.5 }", "cap.conversions must be a whole number from 1 to 1000000000, not 1.5."),
        (
            'cap = { conversions = 1, per = "days" }',
            'cap.per must be "hour", "day", "week", "month" or "total", not "days"; did you mean "day"?',
        ),
        (
            'cap = { conversions = 1, timezone = "Europe/Berln" }',
            (
                'cap.timezone must be a time zone like UTC or Europe/Berlin, not "Europe/Berln";'
                ' did you mean "Europe/Berlin"?'
            ),
        ),
        (
            'cap = { conversions = 1, timezone = "../../etc/passwd" }',
            'cap.timezone must be a time zone like UTC or Europe/Berlin, not "../../etc/passwd".',
        ),
        (
            'cap = { conversions = 1, then = "boot" }',
            'cap.then is "boot", and there is no such offer; did you mean "boots"? Known: "boots", "shoes", "x".',
        ),
        ('cap = { conversions = 1, then = "x" }', "cap.then leads back to itself: x -> x."),
        ("paused = 1", "paused must be true or false, not 1."),
        ('archived = "yes"', 'archived must be true or false, not "yes".'),
    ],
)
def test_keys_of_an_offer_are_refused(line: str, sentence: str) -> None:
    text = f'[[offer]]\nid = "x"\nurl = "https://x.example/"\n{line}'

    assert mistakes(text) == [f'[[offer]] "x": {sentence}']


@pytest.mark.parametrize(
    "url",
    ["ftp://x.example/", "javascript:alert(1)", "https://{domain}/", "https://x.example/{clik_id}", "//x.example", "x"],
)
def test_urls_are_refused_with_the_message_of_the_rules(url: str) -> None:
    with pytest.raises(InvalidError) as refused:
        UrlTemplate.parse(url)
    sentence = f"cannot be used: {refused.value}".removesuffix("?")

    (message,) = mistakes(f'[[lander]]\nid = "x"\nurl = "{url}"')

    assert message[:-1] == f'[[lander]] "x": url {sentence}'


def test_a_missing_key_is_named_with_what_it_must_be() -> None:
    assert mistakes('[[lander]]\nid = "x"') == [
        '[[lander]] "x": url is missing; it must be an http or https URL, with macros.'
    ]


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (
            'params = { site = "sub1" }',
            'params.site is not a key here; it must be one of sub1 to sub20, not "site".',
        ),
        ("params = { sub1 = 7 }", "params.sub1 must be the name of a query parameter, not 7."),
        (
            'params = "site"',
            'params must be a table; keys: one of sub1 to sub20; values: the name of a query parameter, not "site".',
        ),
        (
            'postback = { on = ["sale"] }',
            "postback.url is missing; it must be an http or https URL, with macros.",
        ),
        (
            'postback = { url = "https://a.example/", on = [] }',
            "postback.on must be a list of at least 1, each text, not an empty list.",
        ),
        (
            'postback = { url = "https://a.example/", on = ["sale", "sale"] }',
            'postback.on[1] is in the list twice: "sale".',
        ),
        (
            'postback = { url = "https://a.example/", method = "PUT" }',
            'postback.method must be "GET" or "POST", not "PUT".',
        ),
        (
            'postback = { url = "https://a.example/?id=YOUR_ID" }',
            'postback.url still holds "YOUR_": put in what the platform gave you.',
        ),
        (
            'postback = { url = "https://10.0.0.1/" }',
            (
                "postback.url leads to 10.0.0.1, a private address: allow it in config.toml with [outbound] allow_hosts ="
                ' ["10.0.0.1"] if this is intended.'
            ),
        ),
    ],
)
def test_keys_of_a_source_are_refused(line: str, sentence: str) -> None:
    assert mistakes(f'[[source]]\nid = "x"\n{line}') == [f'[[source]] "x": {sentence}']


@pytest.mark.parametrize(
    ("line", "sentences"),
    [
        (
            'statuses = { paid = ["1"] }',
            ['statuses.paid is not a key here; it must be "lead", "sale" or "rejected", not "paid".'],
        ),
        ('statuses = { sale = "1" }', ['statuses.sale must be a list, each text, not "1".']),
        ("statuses = { sale = [1] }", ["statuses.sale[0] must be text, not 1."]),
        (
            'statuses = { lead = ["Open"], sale = ["1", "OPEN"] }',
            ['statuses.sale has "OPEN", which is listed under lead too.'],
        ),
        (
            'duplicates = "update-all"',
            ['duplicates must be "by-txid", "update" or "accept", not "update-all"; did you mean "update"?'],
        ),
        ("key = 7", ['key must be a secret: text, "env:NAME", "file:/path" or "(kept)".']),
        ('key = ""', ['key must be a secret: text, "env:NAME", "file:/path" or "(kept)".']),
        ('key = "env:NONE"', ["key cannot be read: NONE is not there."]),
        (
            'key = "env:LINES"',
            ["key is not a usable secret: it must be one line of 1 to 10000 printable characters."],
        ),
        (
            'key = "(kept)"',
            ['key is "(kept)", but nothing is stored yet: give it as text, "env:NAME" or "file:/path".'],
        ),
        (
            'allow_ips = ["198.51.100.0/33", "here"]',
            [
                'allow_ips[0] must be an address or a network like 198.51.100.0/24 or 2001:db8::/32, not "198.51.100.0/33".',
                'allow_ips[1] must be an address or a network like 198.51.100.0/24 or 2001:db8::/32, not "here".',
            ],
        ),
        (
            'allow_ips = ["198.51.100.7/24"]',
            ['allow_ips[0] is "198.51.100.7/24", which begins inside a network: write 198.51.100.0/24.'],
        ),
    ],
)
def test_keys_of_a_network_are_refused(line: str, sentences: list[str]) -> None:
    assert mistakes(f'[[network]]\nid = "x"\n{line}') == [f'[[network]] "x": {each}' for each in sentences]


BOT = 'when = [{ fact = "traffic", is = ["bot"] }]\n'
CONDITION = "Known: is, not, contains, starts, ends, matches, in, above, below, between."


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            "",
            'when is missing; it must be a list of at least 1, each a condition like { fact = "country", is = ["US"] }.',
        ),
        (
            "when = []",
            'when must be a list of at least 1, each a condition like { fact = "country", is = ["US"] }, not an empty list.',
        ),
        ('when = ["bot"]', 'when[0] must be a condition like { fact = "country", is = ["US"] }, not "bot".'),
        ('when = [{ is = ["bot"] }]', "when[0].fact must be the name of a fact in quotes, not nothing."),
        ('when = [{ fact = "traffic" }]', f"when[0] needs exactly one operator and has none. {CONDITION}"),
        (
            'when = [{ fact = "traffic", is = ["bot"], not = ["human"] }]',
            f"when[0] needs exactly one operator and has is, not. {CONDITION}",
        ),
        (
            'when = [{ fact = "traffic", contain = "bot" }]',
            f'when[0].contain is no operator; did you mean "contains"? {CONDITION}',
        ),
        (
            'when = [{ fact = "traffic", is = { a = 1 } }]',
            "when[0].is must be text, a number, true, false or a list of these, not a table.",
        ),
        (
            'when = [{ fact = "traffic", is = [[1]] }]',
            "when[0].is must be text, a number, true, false or a list of these, not a list.",
        ),
        (
            'when = [{ fact = "asn", above = inf }]',
            "when[0].above must be text, a number, true, false or a list of these, not inf.",
        ),
        (
            'when = [{ fact = "hour", is = [1], timezone = "Mars" }]',
            'when[0].timezone must be a time zone like UTC or Europe/Berlin, not "Mars".',
        ),
        (
            'when = [{ fact = "traffic", is = ["robot"] }]',
            'when[0].is cannot be used: traffic is: "robot" is none of human, bot, crawler, prefetch, suspect, unknown.',
        ),
        (
            'when = [{ fact = "sub1", matches = ["ok", "(a"] }]',
            (
                "when[0].matches cannot be used: the pattern '(a' is not valid in RE2, which has no look-around and no"
                " references: missing ): (a."
            ),
        ),
        (
            'when = [{ fact = "country", is = ["US"], timezone = "UTC" }]',
            ('when[0].timezone does not belong to the fact "country": only hour, weekday and clicked_at have one.'),
        ),
        (
            'when = [{ fact = "country", above = 1 }]',
            "when[0].above cannot be used: 'above' does not fit country; country takes is, not.",
        ),
        (
            'when = [{ fact = "param", is = ["1"] }]',
            "when[0].fact cannot be used: 'param' needs the name of one: write param.NAME, like param.utm_source.",
        ),
        (
            BOT + 'mode = "watch"',
            'mode must be "enforce" or "monitor", not "watch".',
        ),
        (
            BOT + 'action = { type = "page" }',
            'action.type must be "status", "url", "offer" or "allow", not "page".',
        ),
        (BOT + "action = { code = 404 }", 'action.type is missing; it must be "status", "url", "offer" or "allow".'),
        (BOT + 'action = { type = "status" }', 'action.code is missing; the type "status" needs it.'),
        (
            BOT + 'action = { type = "status", code = 302 }',
            "action.code must be an HTTP status from 200 to 299 or 400 to 599, not 302.",
        ),
        (
            BOT + 'action = { type = "status", code = true }',
            "action.code must be an HTTP status from 200 to 299 or 400 to 599, not true.",
        ),
        (BOT + 'action = { type = "allow", code = 404 }', 'action.code belongs to the type "status", not to "allow".'),
        (
            BOT + 'action = { type = "url", url = "https://a.example/" }',
            (
                "purpose is missing or too short; a filter that sends visits to another url must say why,"
                " in at least 10 characters."
            ),
        ),
        (
            BOT + 'action = { type = "offer", offer = "boots" }\npurpose = "  because  "',
            (
                "purpose is missing or too short; a filter that sends visits to another offer must say why,"
                " in at least 10 characters."
            ),
        ),
    ],
)
def test_keys_of_a_filter_are_refused(lines: str, sentence: str) -> None:
    assert mistakes(f'[[filter]]\nid = "x"\n{lines}') == [f'[[filter]] "x": {sentence}']


def test_a_filter_with_a_purpose_may_send_visits_elsewhere() -> None:
    text = """
    [[filter]]
    id = "x"
    when = [ { fact = "traffic", is = ["bot"] } ]
    action = { type = "offer", offer = "boots" }
    purpose = "Declared bots see what needs no stock."
    """

    assert read(text, base=shop()).filters[FilterId("x")].purpose == "Declared bots see what needs no stock."


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ('path = "/a"', f'path {PATH} "/a".'),
        ('path = "a/"', f'path {PATH} "a/".'),
        ('path = "a//b"', f'path {PATH} "a//b".'),
        ('path = "a/../b"', f'path {PATH} "a/../b".'),
        ('path = "a b"', f'path {PATH} "a b".'),
        ('path = "ä"', f'path {PATH} "ä".'),
        ('path = "click"', f'path begins with "click", a path of tnc itself. {RESERVED}'),
        ('path = "-/x"', f'path begins with "-", a path of tnc itself. {RESERVED}'),
        (
            'path = "word/postback"',
            'path is "word/postback", the path where networks that were set up for Keitaro send postbacks.',
        ),
        ('path = "summer"', 'path is "summer", which the campaign "summer" has already.'),
        ('source = "x"', 'source is "x", and there is no such source. Known: "native-ads".'),
        ('filter = "x"', 'filter is "x", and there is no such filter. Known: "standard".'),
        (
            'destinations = ["meta"]',
            'destinations[0] is "meta", and there is no such destination; did you mean "meta-main"? Known: "meta-main".',
        ),
        ('destinations = ["meta-main", "meta-main"]', 'destinations[1] is in the list twice: "meta-main".'),
        (
            'cost = { model = "cpx" }',
            'cost.model must be "cpc", "cpm", "cpa", "revshare", "auto" or "none", not "cpx"; did you mean "cpm"?',
        ),
        ('cost = { model = "cpm" }', 'cost.amount is missing; the model "cpm" needs it.'),
        ('cost = { model = "none", amount = 1 }', 'cost.amount does not belong to the model "none".'),
        (
            'cost = { model = "revshare", amount = 50 }',
            'cost.amount must be a share from 0 to 1 with the model "revshare", not 50.',
        ),
        ('cost = { model = "cpc", amount = -0.1 }', "cost.amount must be a number from 0 to 1000000000, not -0.1."),
        (
            "uniqueness = 24",
            "uniqueness must be { hours = a whole number from 1 to 8760 }, not 24.",
        ),
        ("uniqueness = { hours = 0 }", "uniqueness.hours must be a whole number from 1 to 8760, not 0."),
        ("uniqueness = { hours = 8761 }", "uniqueness.hours must be a whole number from 1 to 8760, not 8761."),
        ("redirect = 302", 'redirect must be "302", "303", "307", "meta", "double-meta" or "js", not 302.'),
        (
            'redirect = "301"',
            'redirect must be "302", "303", "307", "meta", "double-meta" or "js", not "301"; did you mean "307"?',
        ),
        ('sticky = "ofer"', 'sticky must be "none", "flow", "lander" or "offer", not "ofer"; did you mean "offer"?'),
        ('referrer_policy = "origin"', 'referrer_policy must be "no-referrer", not "origin".'),
        (
            'otherwise = { type = "allow" }',
            'otherwise.type must be "status" or "url", not "allow".',
        ),
        (
            'otherwise = { type = "url", url = "https://a.example/", code = 404 }',
            'otherwise.code belongs to the type "status", not to "url".',
        ),
        ("flow = 3", None),
    ],
)
def test_keys_of_a_campaign_are_refused(line: str, sentence: str | None) -> None:
    message = sentence or (
        "flow must be a list, each a table of id, when, match, landers, offers, paused, archived, not 3."
    )

    assert mistakes(f'[[campaign]]\nid = "x"\n{line}') == [f'[[campaign]] "x": {message}']


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        (
            'offers = [{ id = "boots" }]',
            'number 1 of "x": id is missing; it must be lower-case letters, digits and hyphens, at most 64, with no hyphen in front.',
        ),
        ('id = "A"', f'"A" of "x": id {SLUG} "A".'),
        ('id = "a"', '"a" of "x": offers needs at least one offer, or a lander, to send visits to.'),
        ('id = "a"\noffer = "boots"', None),
        ('id = "a"\noffers = ["boots"]', '"a" of "x": offers[0] must be a table, not "boots".'),
        (
            'id = "a"\noffers = [{ weight = 3 }]',
            '"a" of "x": offers[0].id is missing; it must be the id of a [[offer]].',
        ),
        (
            'id = "a"\noffers = [{ id = "shoe" }]',
            (
                '"a" of "x": offers[0].id is "shoe", and there is no such offer; did you mean "shoes"?'
                ' Known: "boots", "shoes".'
            ),
        ),
        (
            'id = "a"\noffers = [{ id = "shoes", weight = -3 }]',
            '"a" of "x": offers[0].weight must be a whole number from 0 to 1000000, not -3.',
        ),
        (
            'id = "a"\noffers = [{ id = "shoes", weight = 1.5 }]',
            '"a" of "x": offers[0].weight must be a whole number from 0 to 1000000, not 1.5.',
        ),
        (
            'id = "a"\noffers = [{ id = "shoes" }, { id = "shoes" }]',
            '"a" of "x": offers[1] is in the list twice: "shoes".',
        ),
        (
            'id = "a"\nlanders = [{ id = "quiz", share = 3 }]',
            '"a" of "x": landers[0].share is not known here. Known: id, weight, paused.',
        ),
        (
            'id = "a"\nmatch = "some"\noffers = [{ id = "boots" }]',
            '"a" of "x": match must be "all" or "any", not "some".',
        ),
        (
            'id = "a"\nwhen = [{ fact = "contry", is = ["US"] }]\noffers = [{ id = "boots" }]',
            None,
        ),
    ],
)
def test_keys_of_a_flow_are_refused_with_its_campaign(lines: str, sentence: str | None) -> None:
    found = mistakes(f'[[campaign]]\nid = "x"\n[[campaign.flow]]\n{lines}')

    if sentence is not None:
        assert found == [f"[[campaign.flow]] {sentence}"]
    elif "contry" in lines:
        assert len(found) == 1
        assert found[0].startswith(
            "[[campaign.flow]] \"a\" of \"x\": when[0].fact cannot be used: there is no fact 'contry'; did you mean 'country'?"
        )
    else:
        assert found == [
            (
                '[[campaign.flow]] "a" of "x": offer is not known here; did you mean "offers"?'
                " Known: id, when, match, landers, offers, paused, archived."
            )
        ]


@given(st.sampled_from(sorted(NOUNS)), st.from_regex(r"[a-z][a-z_]{0,30}", fullmatch=True))
def test_an_unknown_key_of_any_table_is_refused_by_its_name(noun: str, key: str) -> None:
    assume(not any(key in keys for keys in (NOUNS[noun].keys, *(each.keys for each in PLATFORMS.values()))))
    assume(key != "flow")

    found = mistakes(f'[[{noun}]]\nid = "x"\n{key} = 1\ntype = "webhook"', base=Configuration())

    assert any(line.startswith(f'[[{noun}]] "x": {key} is not known here') for line in found)


def test_two_flows_of_a_campaign_may_not_share_an_id() -> None:
    flow = '[[campaign.flow]]\nid = "a"\noffers = [{ id = "boots" }]\n'

    assert mistakes(f'[[campaign]]\nid = "x"\n{flow}{flow}') == [
        '[[campaign.flow]] "a" of "x" is in the list twice: "a".'
    ]


def test_mistakes_between_tables_are_refused() -> None:
    circle = SHOP.replace(
        'url = "https://shop.example/boots?s2={click_id}"',
        'url = "https://shop.example/boots"\ncap = { conversions = 1, then = "shoes" }',
    )
    assert mistakes(circle) == ['[[offer]] "boots": cap.then leads back to itself: boots -> shoes -> boots.']

    twice = '[[campaign]]\nid = "one"\npath = "p"\n[[campaign]]\nid = "two"\npath = "p"'
    assert mistakes(twice) == ['[[campaign]] "two": path is "p", which the campaign "one" has already.']

    short = """
    [[source]]
    id = "x"
    postback = { url = "https://ads.example/" }
    [[destination]]
    id = "source-x"
    type = "google-csv"
    conversion_name = "Sale"
    """
    assert mistakes(short) == [
        '[[destination]] "source-x": id is the name of the postback of the source "x"; choose another.'
    ]


def test_all_mistakes_are_listed_at_once_and_nothing_is_changed() -> None:
    text = (
        SHOP.replace("weight = 70", "weight = -70").replace('is = ["bot"]', 'is = ["robot"]').replace("12.5", '"much"')
    )
    base = Configuration()

    message = refusal(text, base=base)

    assert message.splitlines()[0] == "shop.toml has 3 mistakes; nothing was changed."
    assert [line.partition(": ")[2].partition(": ")[0] for line in message.splitlines()[1:]] == [
        '[[offer]] "shoes"',
        '[[filter]] "standard"',
        '[[campaign.flow]] "us-mobile" of "summer"',
    ]
    assert base == Configuration()


def test_a_reference_to_a_table_with_a_mistake_is_no_second_mistake() -> None:
    """An offer with a mistake is still known to the flow that names it."""
    text = SHOP.replace('url = "https://shop.example/boots?s2={click_id}"', "url = 7")

    assert mistakes(text, base=Configuration()) == [f'[[offer]] "boots": url {URL} 7.']


def test_without_a_resolver_references_to_secrets_are_refused() -> None:
    with pytest.raises(InvalidError) as refused:
        read_toml('[[network]]\nid = "x"\nkey = "file:/etc/passwd"', file="shop.toml", base=Configuration())

    assert str(refused.value).splitlines()[1] == (
        'shop.toml: [[network]] "x": key cannot be read: file:/etc/passwd is not read here; give the secret itself.'
    )
