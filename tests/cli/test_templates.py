"""`tnc template`: what there is, whose an address is, and making it one's own."""

from tests.cli.conftest import Tnc


def test_everything_is_listed_with_how_well_it_is_known(tnc: Tnc) -> None:
    told = tnc("template", "list", "--json").json

    assert len(told) > 150
    assert {each["confidence"] for each in told} == {"confirmed", "corroborated", "reported", "memory"}
    assert {each["type"] for each in tnc("template", "list", "--type", "network", "--json").json} == {"network"}


def test_a_network_is_known_by_the_address_of_its_offer(tnc: Tnc) -> None:
    told = tnc("template", "list", "--url", "https://trk.maxbounty.com/?aid=1&s2=", "--json").json

    assert told[0]["id"] == "maxbounty"


def test_what_is_open_is_filled_in_before_it_can_be_used(tnc: Tnc) -> None:
    open_words = tnc("template", "show", "propellerads", "--json").json["open"]

    refused = tnc("template", "apply", "propellerads")
    filled = [word for each in open_words for word in ("--set", f"{each}=123")]
    done = tnc("template", "apply", "propellerads", *filled, "--domain", "go.example")

    assert refused.code == 2
    assert "YOUR_" in refused.err
    assert done.code == 0, done.err
    assert "go.example" in done.out
    assert 'id = "propellerads"' in tnc("export").out


def test_what_the_owner_made_his_own_is_not_replaced(tnc: Tnc) -> None:
    assert tnc("template", "apply", "maxbounty").code == 0

    assert tnc("template", "apply", "maxbounty").code == 4


def test_an_unknown_template_and_an_unknown_word_are_refused(tnc: Tnc) -> None:
    assert tnc("template", "show", "nobody").code == 3
    assert tnc("template", "apply", "propellerads", "--set", "YOUR_WORD=1").code == 2
    assert tnc("template", "apply", "propellerads", "--set", "YOUR_AID").code == 2


def test_the_standard_filter_is_shown_as_its_file_and_applied_once(tnc: Tnc) -> None:
    shown = tnc("template", "show", "standard").out

    assert shown.startswith("# The standard filter")
    assert [each["id"] for each in tnc("template", "list", "--type", "filter", "--json").json] == ["standard"]
    assert tnc("template", "apply", "standard").code == 0
    assert 'mode = "monitor"' in tnc("export").out
    assert tnc("template", "apply", "standard").code == 4
