"""Every template of the catalogue can be applied, and names its placeholders."""

import re
from urllib.parse import urlsplit

import pytest

from tnc.campaigns.parse import read_toml
from tnc.campaigns.templates.catalogue import (
    NetworkTemplate,
    SourceTemplate,
    Template,
    all_templates,
    find_template,
    recognise,
)
from tnc.campaigns.templates.render import OURS, placeholders, postback_url, render, tracking_query
from tnc.core.clock import new_id
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Configuration, NetworkId, SourceId
from tnc.rules.templates import UrlTemplate
from tnc.tracking.conversions.postback import read_postback
from tnc.tracking.conversions.statuses import read_status

ALL = all_templates()
SOURCES = [template for template in ALL if isinstance(template, SourceTemplate)]
NETWORKS = [template for template in ALL if isinstance(template, NetworkTemplate)]
POSTBACKS = [template for template in SOURCES if template.postback]

each = pytest.mark.parametrize("template", ALL, ids=lambda template: template.id)
each_source = pytest.mark.parametrize("template", SOURCES, ids=lambda template: template.id)
each_postback = pytest.mark.parametrize("template", POSTBACKS, ids=lambda template: template.id)
each_network = pytest.mark.parametrize("template", NETWORKS, ids=lambda template: template.id)

OURS_ID = new_id(1_795_000_000_000, b"01234567")


def applied(template: Template) -> Configuration:
    values = dict.fromkeys(placeholders(template), "mine")
    return read_toml(render(template, values=values), file="template.toml", base=Configuration())


def test_the_catalogue_is_complete_and_its_ids_are_unique() -> None:
    assert (len(SOURCES), len(NETWORKS)) == (84, 111)
    assert len({template.id for template in ALL}) == len(ALL)


@each
def test_a_filled_in_template_can_be_applied(template: Template) -> None:
    configuration = applied(template)

    assert {*configuration.sources, *configuration.networks} == {template.id}


@pytest.mark.parametrize("template", [t for t in ALL if placeholders(t)], ids=lambda template: template.id)
def test_a_template_with_a_placeholder_is_refused(template: Template) -> None:
    with pytest.raises(InvalidError, match="YOUR_"):
        read_toml(render(template), file="template.toml", base=Configuration())


@each_postback
def test_the_postback_of_a_source_has_its_click_id_and_only_known_macros(template: SourceTemplate) -> None:
    parts = urlsplit(str(template.postback))
    placeholders = set(re.findall(r"\{(\w+)\}", str(template.postback)))

    assert parts.scheme in ("http", "https")
    assert parts.hostname
    assert "external_id" in placeholders
    assert placeholders <= OURS | {"campaign", "site"} | template.extra.keys()
    assert applied(template).sources[SourceId(template.id)].click_id


@each_postback
def test_the_postback_sends_parameters_of_the_source_back(template: SourceTemplate) -> None:
    source = applied(template).sources[SourceId(template.id)]
    sent = {source.params[sub]: f"their-{source.params[sub]}" for sub in source.params}

    assert source.postback is not None
    for name in re.findall(r"\{(\w+)\}", source.postback.url):
        assert name in OURS or sent[source.params[name]]
    UrlTemplate.parse(source.postback.url)


@each_source
def test_the_click_id_of_a_source_is_its_own_macro(template: SourceTemplate) -> None:
    others = (template.cost, template.campaign, template.adgroup, template.creative, template.site, template.keyword)

    assert template.click_id is None or template.click_id not in (*others, *template.extra.values())


@each_source
def test_the_link_has_every_parameter_that_the_source_table_reads(template: SourceTemplate) -> None:
    source = applied(template).sources[SourceId(template.id)]
    sent = {pair.partition("=")[0] for pair in tracking_query(template).split("&") if pair}

    assert sent <= {source.click_id, source.cost, "currency", *source.params.values()}
    assert set(source.params.values()) <= sent


@each_network
def test_the_postback_of_a_network_is_accepted_with_its_macros_replaced(template: NetworkTemplate) -> None:
    address = postback_url(template, domain="track.example")
    if address is None:
        assert template.inbound or template.confidence == "memory"
        return
    macros = {template.click_id: OURS_ID, template.payout: "12.5", template.txid: "t1", template.currency: "EUR"}
    macros |= {template.status: (*template.sale, *template.lead, *template.rejected, "sale")[0]}
    params = dict(pair.split("=", 1) for pair in address.partition("?")[2].split("&"))

    incoming = read_postback({name: macros.get(macro, macro) for name, macro in params.items()})

    assert incoming.click_id == OURS_ID
    assert incoming.payout_micros == (12_500_000 if template.payout else None)
    assert read_status(incoming, applied(template).networks[NetworkId(template.id)]).status is not None


@each_network
def test_the_offer_url_has_our_click_id(template: NetworkTemplate) -> None:
    if template.append:
        UrlTemplate.parse(f"https://offer.example/?a=1{template.append}")
        assert "{click_id}" in template.append


def test_unverified_templates_are_paused() -> None:
    sources = {template.id: applied(template).sources[SourceId(template.id)].paused for template in SOURCES}
    networks = {template.id: applied(template).networks[NetworkId(template.id)].paused for template in NETWORKS}

    assert sources | networks == {template.id: template.confidence == "memory" for template in ALL}


def test_the_comments_say_how_reliable_it_is_and_what_to_do() -> None:
    text = render(find_template("everflow"), domain="track.example")

    assert text.startswith("# Everflow-based networks (corroborated)\n")
    assert "# https://track.example/postback?cid={sub1}&payout={payout_amount}" in text


def test_an_unknown_template_and_an_unknown_placeholder_are_refused() -> None:
    with pytest.raises(NotFoundError, match="tnc template list"):
        find_template("no-such")
    with pytest.raises(InvalidError, match="it has YOUR_POSTBACK_ID"):
        render(find_template("mgid"), values={"YOUR_TOKEN": "x"})


@pytest.mark.parametrize(
    ("url", "first"),
    [
        ("https://hop.clickbank.net/?affiliate=a&vendor=b", "clickbank"),
        ("https://www.max-bounty.example/?s2=1", "maxbounty"),
        ("https://track.example/aff_c?offer_id=1&aff_sub=", "tune"),
        ("https://track.example/?a=1&c=2&s2=", "cake"),
    ],
)
def test_a_network_is_recognised_by_its_host_or_its_parameter(url: str, first: str) -> None:
    assert recognise(url)[0].id == first


@pytest.mark.parametrize("url", ["", "https://shop.example/shoes", "https://[bad", "not a url", "http://\ud800/"])
def test_an_unknown_url_is_recognised_as_no_network(url: str) -> None:
    assert recognise(url) == ()
