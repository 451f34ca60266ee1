"""Every registered platform says all that the pages and commands show of it, and is explained to the owner."""

import dataclasses
import re
from dataclasses import MISSING
from pathlib import Path
from typing import get_args

import pytest

from tnc.campaigns.platforms.base import Platform, Receiver, SkipReason
from tnc.campaigns.platforms.registry import CLICK_IDS, COOKIES, PLATFORMS
from tnc.campaigns.templates.catalogue import find_template
from tnc.campaigns.templates.render import render

GUIDE = (Path(__file__).parents[3] / "docs" / "destinations.md").read_text(encoding="utf-8")
WITHOUT_ADS = {"postback", "webhook"}  # no ad platforms: their clicks have no click id of a platform


def missing(platform: Platform) -> list[str]:
    """What is left empty that somebody reads."""
    texts = {f"receiver.{each.name}": getattr(platform.receiver, each.name) for each in dataclasses.fields(Receiver)}
    for key, each in platform.keys.items():
        texts |= {f"keys.{key}.text": each.text, f"keys.{key}.where": each.where}
    if platform.type not in WITHOUT_ADS:
        texts |= {"click_ids": platform.click_ids, "host": platform.host}
    return [f"{platform.type}: {name}" for name, value in texts.items() if not value]


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_a_platform_says_everything(platform: Platform) -> None:
    assert missing(platform) == []


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_the_guide_has_a_section_for_a_platform_and_explains_its_keys(platform: Platform) -> None:
    text = " ".join(GUIDE.split())

    assert f"### {platform.type}\n" in GUIDE
    assert [f"{platform.type}: {key}" for key in platform.keys if f"`{key}`" not in GUIDE] == []
    assert [f"{platform.type}: {key}" for key, each in platform.keys.items() if each.where not in text] == []


@pytest.mark.parametrize("platform", PLATFORMS.values(), ids=PLATFORMS)
def test_the_guide_names_the_click_ids_and_cookies_of_a_platform(platform: Platform) -> None:
    names = (*platform.click_ids[:1], *platform.cookies)

    assert [f"{platform.type}: {name}" for name in names if f"`{name}`" not in GUIDE] == []


@pytest.mark.parametrize(
    "name",
    [
        field.name
        for make in (Platform, Receiver)
        for field in dataclasses.fields(make)
        if field.default is MISSING and field.default_factory is MISSING
    ],
)
def test_a_platform_without_one_of_its_parts_cannot_be_made(name: str) -> None:
    make = Receiver if name in {each.name for each in dataclasses.fields(Receiver)} else Platform
    found = next(iter(PLATFORMS.values()))
    whole = found.receiver if make is Receiver else found
    parts = {each.name: getattr(whole, each.name) for each in dataclasses.fields(make) if each.name != name}

    with pytest.raises(TypeError, match=f"'{name}'"):
        make(**parts)


def test_a_platform_is_registered_under_its_type() -> None:
    assert {name: each.type for name, each in PLATFORMS.items()} == {name: name for name in PLATFORMS}
    assert all(re.fullmatch(r"[a-z][a-z-]*", name) for name in PLATFORMS)


def test_test_clicks_and_visits_know_the_click_ids_and_cookies_of_every_platform() -> None:
    assert {"fbclid", "ttclid", "ScCid", "gclid", "msclkid"} <= set(CLICK_IDS)
    assert {"_fbc", "_fbp", "_ttp", "_scid"} <= set(COOKIES)


def test_every_reason_not_to_send_is_explained() -> None:
    assert [reason for reason in get_args(SkipReason) if f"`{reason}`" not in GUIDE] == []


@pytest.mark.parametrize(
    ("template", "types"),
    [
        ("snapchat", '"snapchat"'),
        ("meta", '"meta"'),
        ("google-ads", '"google-data-manager", "google-ads" or "google-csv"'),
    ],
)
def test_the_template_of_a_source_says_which_destination_sends_conversions_back(template: str, types: str) -> None:
    text = " ".join(render(find_template(template)).replace("\n#", "").split())

    assert f"Send conversions there with a destination of the type {types}." in text
