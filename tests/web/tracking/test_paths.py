"""Paths with unambiguous typing errors work; all other unknown paths are counted."""

import pytest

from tests.web.tracking.conftest import Shop
from tnc.web.tracking.paths import UnknownPaths


@pytest.mark.parametrize(
    "target",
    [
        "/summer&sub1=a",
        "/summer&sub1=a&sub2=b",
        "/SUMMER?sub1=a",
        "/Summer/?sub1=a",
        "/summer.?sub1=a",
        "/summer%20?sub1=a",
        "/summer%C2%A0?sub1=a",
        "/summer%3Fsub1=a",
        "/summer%3fsub1%3Da",
        "/summer%26sub1=a",
        "/(summer)?sub1=a",
        "/summer%22?sub1=a",
    ],
)
async def test_an_unmistakable_path_is_a_click_with_its_parameters(shop: Shop, target: str) -> None:
    answer = await shop.get(target)

    assert answer.status == 302
    [history] = shop.histories()
    assert (history.click.campaign, history.click.visit.subs["sub1"]) == ("summer", "a")


@pytest.mark.parametrize("target", ["/summers", "/summer/x", "/su", "/", "/%3F", "/click%20", "/-/nothing"])
async def test_other_paths_are_not_found_and_recorded_nowhere(shop: Shop, target: str) -> None:
    assert (await shop.get(target)).status == 404
    assert shop.histories() == []


def test_unknown_paths_are_counted_within_bounds_and_compared_with_campaigns() -> None:
    unknown = UnknownPaths()
    for path in ("sumer", "sumer", "blackfriday1", "wp-login.php", *(f"scan{number}" for number in range(2000))):
        unknown.note(path)

    assert unknown.take_similar(["summer", "lander", "BLACKFRIDAY"]) == [
        ("sumer", "summer", 2),
        ("blackfriday1", "BLACKFRIDAY", 1),
    ]
    assert len(unknown.counts) <= 500
