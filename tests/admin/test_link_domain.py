"""Which domain the links carry that are shown to be copied."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tnc.admin.link_domain import LinkBase, link_base
from tnc.core.formats import parse_listen_address
from tnc.core.models import CampaignId, Click, ClickId, Visit
from tnc.core.settings import Settings


def visits(*domains: str | None, **of: Any) -> list[Click]:
    facts = [{"visitor": f"v{number}", "traffic": "human"} | of for number in range(len(domains))]
    return [click(number, *each) for number, each in enumerate(zip(domains, facts, strict=True))]


def click(number: int, domain: str | None, facts: dict[str, Any]) -> Click:
    return Click(
        click_id=ClickId(f"{number:026}"),
        clicked_at_ms=number,
        campaign=CampaignId("summer"),
        visit=Visit(visited_at_ms=number, domain=domain, **facts),
    )


def base(newest: Sequence[Click] = (), *, listen: str = "[::]:80", **of: Any) -> tuple[str, str]:
    settings = Settings(data=Path("/d"), key=Path("/k"), listen=parse_listen_address(listen), **of)
    found: LinkBase = link_base(settings, settings.listen.port, newest)
    return found.url, found.known


BEHIND: dict[str, Any] = {"listen": "127.0.0.1:8080", "trusted_proxies": ("127.0.0.0/8",)}


def test_the_configured_domain_goes_first() -> None:
    newest = visits("other.example.com", "other.example.com", "other.example.com")

    assert base(newest, domains_default="go.example.com") == ("http://go.example.com", "configured")
    assert base(newest, domains_default="go.example.com", **BEHIND) == ("https://go.example.com", "configured")
    assert base(domains_default="go.example.com", listen="[::]:8080")[0] == "http://go.example.com:8080"


def test_else_the_domain_of_most_visitors_is_learnt() -> None:
    newest = visits("go.example.com", "evil.example.com", "go.example.com", "go.example.com")

    assert base(newest) == ("http://go.example.com", "learnt")
    assert base(newest, **BEHIND) == ("https://go.example.com", "learnt")


@pytest.mark.parametrize(
    "newest",
    [
        (),
        visits("evil.example.com", "evil.example.com"),
        visits("a.example.com", "b.example.com", "a.example.com", "b.example.com", "a.example.com", "b.example.com"),
        visits(*["203.0.113.7"] * 5),
        visits(*["2001:db8::1"] * 5),
        visits(*["localhost"] * 5),
        visits(*["shop.example"] * 5),
        visits(*["tracker.internal"] * 5),
        visits(*["shop"] * 5),
        visits(*[None] * 5),
        visits(*["bots.example.com"] * 5, traffic="bot"),
        visits(*["one.example.com"] * 5, visitor="the same"),
    ],
)
def test_nothing_is_learnt_from_few_odd_or_invalid_visits(newest: Sequence[Click]) -> None:
    assert base(newest) == ("http://YOUR-DOMAIN", "unknown")
    assert base(newest, **BEHIND) == ("https://YOUR-DOMAIN", "unknown")


def test_an_address_that_a_browser_can_open_is_better_than_none() -> None:
    assert base(listen="127.0.0.1:8080") == ("http://127.0.0.1:8080", "listener")
    assert base(visits(*["demo.example"] * 5), listen="127.0.0.1:8080") == ("http://127.0.0.1:8080", "listener")
    assert base(visits(*["shop.example.com"] * 5), listen="127.0.0.1:8080") == ("https://shop.example.com", "learnt")
    assert base(listen="localhost:8080")[0] == "http://localhost:8080"
    assert base(listen="tracker.lan:8080")[0] == "http://tracker.lan:8080"
    assert base(listen="203.0.113.7:80")[0] == "http://203.0.113.7:80"
    assert base(listen="0.0.0.0:80") == ("http://YOUR-DOMAIN", "unknown")
