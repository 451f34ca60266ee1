"""`tnc template`: list, find by URL, show, and add to the configuration."""

from tests.cli.conftest import Tnc


def test_templates_are_listed_with_how_well_they_are_documented(tnc: Tnc) -> None:
    result = tnc("template", "list", "--json").json

    assert len(result) > 150
    assert {each["confidence"] for each in result} == {"confirmed", "corroborated", "reported", "memory"}
    assert {each["type"] for each in tnc("template", "list", "--type", "network", "--json").json} == {"network"}


def test_a_network_is_recognised_by_its_offer_url(tnc: Tnc) -> None:
    result = tnc("template", "list", "--url", "https://trk.maxbounty.com/?aid=1&s2=", "--json").json

    assert result[0]["id"] == "maxbounty"


def test_placeholders_must_be_filled_in_before_a_template_is_applied(tnc: Tnc) -> None:
    open_words = tnc("template", "show", "propellerads", "--json").json["open"]

    refused = tnc("template", "apply", "propellerads")
    filled = [word for each in open_words for word in ("--set", f"{each}=123")]
    done = tnc("template", "apply", "propellerads", *filled, "--domain", "go.example")

    assert refused.code == 2
    assert "YOUR_" in refused.err
    assert done.code == 0, done.err
    assert "go.example" in done.out
    assert 'id = "propellerads"' in tnc("export").out


def test_a_template_does_not_replace_what_the_owner_changed(tnc: Tnc) -> None:
    assert tnc("template", "apply", "maxbounty").code == 0

    assert tnc("template", "apply", "maxbounty").code == 4


def test_an_unknown_template_and_an_unknown_placeholder_are_refused(tnc: Tnc) -> None:
    assert tnc("template", "show", "nobody").code == 3
    assert tnc("template", "apply", "propellerads", "--set", "YOUR_WORD=1").code == 2
    assert tnc("template", "apply", "propellerads", "--set", "YOUR_AID").code == 2


def test_the_standard_filter_is_shown_with_comments_and_applied_once(tnc: Tnc) -> None:
    shown = tnc("template", "show", "standard").out

    assert shown.startswith("# The standard filter")
    assert [each["id"] for each in tnc("template", "list", "--type", "filter", "--json").json] == ["standard"]
    assert tnc("template", "apply", "standard").code == 0
    assert 'mode = "monitor"' in tnc("export").out
    assert tnc("template", "apply", "standard").code == 4
