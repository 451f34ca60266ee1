"""Eight days of an installation: visitors by the hour, sales, what was sent of them, and requests from visitors."""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

from tests.web.dashboard.installed import DATACENTER, NOW_MS, PHONE, Clock, Installation, installed
from tnc.core.clock import DAY_MS, HOUR_MS
from tnc.core.models import Click, ClickId, DestinationId
from tnc.privacy.requests import IdentityClaim
from tnc.store.requests import RequestKind

META = DestinationId("meta-main")

_ANDROID = (
    "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36"
)
_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:150.0) Gecko/20100101 Firefox/150.0"
_MAC = (
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.0 "
    "Safari/605.1.15"
)
# Share of all visitors, the beginning of their addresses, browser, language.
_VISITORS: Sequence[tuple[int, str, str, str]] = (
    (40, "8.8", PHONE, "en-US"),
    (14, "24.48", _ANDROID, "fr-CA"),
    (12, "194.25", _WINDOWS, "de"),
    (10, "81.2", _MAC, "en-GB"),
    (8, "8.8", _MAC, "en-US"),
    (8, "24.48", "curl/8.18.0", ""),
    (4, "45.55", _WINDOWS, "en-US"),
)


@dataclass
class Week:
    """What tests look for in it."""

    installation: Installation
    sale: ClickId  # of an American phone; sent to Meta
    bot: ClickId
    late: str  # requests by what there is to see of them
    named: str
    erased: str
    closed: str


@contextmanager
def visited(*, busy: int = 1) -> Iterator[tuple[Installation, list[Click]]]:
    """Visits and sales alone, and the clicks that sold something. `busy` multiplies the visits, of which there are
    some 1,700 otherwise.
    """
    with installed(clock=Clock(NOW_MS - 8 * DAY_MS)) as installation:
        sold = _visits(installation, busy)
        installation.clock.now_ms = NOW_MS
        yield installation, sold


@contextmanager
def a_week() -> Iterator[Week]:
    with visited() as (installation, sold):
        installation.clock.now_ms = NOW_MS - 1_000
        sale = installation.visit(query="ext=ext-1&site=site-1&creative=red&fbclid=IwAR2abcdef")
        bot = installation.visit(user_agent="curl/8.18.0", ip=DATACENTER)
        late, named, erased, closed = _requests(installation)
        _deliveries(installation, sale)
        _calls(installation, sold[-1])
        installation.clock.later(seconds=1)
        yield Week(
            installation=installation,
            sale=sale.click_id,
            bot=bot.click_id,
            late=late,
            named=named,
            erased=erased,
            closed=closed,
        )


def _visits(installation: Installation, busy: int) -> list[Click]:
    """Hour by hour, as the days breathe; the clicks that sold something."""
    chance, clock, sold, approved = Random(1), installation.clock, list[Click](), 0
    while clock.now_ms < NOW_MS:
        of_day = clock.now_ms // HOUR_MS % 24
        growth = 1 - (NOW_MS - clock.now_ms) / DAY_MS / 16
        count = round(busy * growth * (9 + 8 * math.sin((of_day - 9) / 24 * 2 * math.pi) + chance.randrange(6)))
        arriving = [_arriving(installation, chance, number * HOUR_MS // count) for number in range(count)]
        clock.now_ms += HOUR_MS
        while approved < len(sold):  # the network approves in the hour after
            installation.postback(sold[approved].click_id, status="approved", txid=f"t-{approved}", payout="12.5")
            approved += 1
        for click in installation.visits(arriving):
            goes_on = click.lander is not None and chance.random() < 0.4
            if goes_on:
                installation.go_on(click)
            if click.offer is not None and chance.random() < (0.06 if goes_on else 0.02):
                installation.postback(click.click_id, status="pending", txid=f"t-{len(sold)}", payout="12.5")
                sold.append(click)
    return sold


def _arriving(installation: Installation, chance: Random, after_ms: int) -> Any:
    _, network, user_agent, language = chance.choices(_VISITORS, [each[0] for each in _VISITORS])[0]
    third = 69 if network == "81.2" else chance.randrange(256)
    number = chance.getrandbits(40)
    return installation.arriving(
        chance.choices(("summer", "autumn"), (3, 1))[0],
        ip=f"{network}.{third}.{chance.randrange(1, 255)}",
        user_agent=user_agent,
        query=f"ext=ext-{number}&site=site-{chance.randrange(5)}&creative=creative-{chance.randrange(3)}",
        at_ms=installation.clock.now_ms + after_ms,
        Accept_Language=language,
        Referer="https://news.example/today?edition=7",
    )


# ------------------------------------------------------------------------------------------ sales, sent and not


def sell(installation: Installation, click: Click, **parameters: str) -> None:
    """A sale, which is queued for the destination of its campaign."""
    reply = installation.postback(click.click_id, status="approved", **parameters)
    assert reply.outcome == "new", reply


def count(installation: Installation, state: str) -> int:
    counts = installation.services.destinations.counts()
    return sum(number for (destination, its), number in counts.items() if (destination, its) == (META, state))


def _deliveries(installation: Installation, sale: Click) -> None:
    """One was taken, one is dead, and one waits since the token is refused."""
    send(installation, sale)
    refuse_next(installation, code=100, subcode=2804003)
    sell(installation, from_facebook(installation, 2))
    installation.wait_until(lambda: count(installation, "dead") == 1)
    stop(installation)
    sell(installation, from_facebook(installation, 4))


def from_facebook(installation: Installation, number: int) -> Click:
    """A click of a visitor of that number."""
    return installation.visit(ip=f"8.8.201.{number}", query="fbclid=IwAR2abcdef")


def send(installation: Installation, click: Click) -> None:
    sell(installation, click)
    wait_until_sent(installation)


def wait_until_sent(installation: Installation) -> None:
    installation.wait_until(lambda: not count(installation, "queued") + count(installation, "sending"))


def refuse_next(installation: Installation, *, code: int, subcode: int | None = None) -> None:
    error = {"message": "no", "code": code, "is_transient": False} | ({"error_subcode": subcode} if subcode else {})
    installation.meta.answer_next(400, {"error": error})


def stop(installation: Installation) -> None:
    """The token is refused once: until its owner acts, nothing is sent."""
    refuse_next(installation, code=190)
    sell(installation, from_facebook(installation, 3))
    installation.wait_until(lambda: installation.services.destinations.statuses()[META].state == "stopped")


def _calls(installation: Installation, sold: Click) -> None:
    """Postbacks of every outcome that a person looks for."""
    installation.postback(sold.click_id, status="pending", txid="t-again", payout="12.5")
    installation.postback(sold.click_id, status="pending", txid="t-again", payout="12.5")
    installation.postback(sold.click_id, status="gezahlt", txid="t-unmapped")
    installation.postback("0" * 28, status="approved")
    installation.postback(sold.click_id, status="approved", key="wrong")
    installation.postback(sold.click_id, status="approved", payout="much")


# ------------------------------------------------------------------------------------------------- requests


def _requests(installation: Installation) -> tuple[str, str, str, str]:
    """Ids of one that is late, one with a click id, one whose data was erased and one that is closed."""
    requests, clock = installation.services.privacy_requests, installation.clock
    wait_until_sent(installation)  # the receiver has the same clock, and takes nothing from the future
    clock.now_ms -= 40 * DAY_MS
    late = record(installation, "erasure", text="Please erase <b>me</b>.")
    clock.now_ms += 40 * DAY_MS
    requests.refresh_due_dates()
    mine = installation.visit(ip="24.48.1.1", query="fbclid=IwAR2abcdef")
    click = IdentityClaim(click=mine.click_id, ip="24.48.1.1", browser="")
    named, _ = requests.submit("erasure", text="Please erase <b>me</b>.", contact="ann@example.com", claim=click)
    requests.move(named.request_id, "acknowledged")
    closed = record(installation, "access", text="What is there?")
    requests.move(closed, "fulfilled", answer="Done.")
    return late, named.request_id, erased(installation), closed


def record(installation: Installation, kind: RequestKind, *, text: str) -> str:
    requests = installation.services.privacy_requests
    made = requests.add(kind, channel="email", text=text, contact="ann@example.com")
    return str(made["request_id"])


def erased(installation: Installation) -> str:
    """A request whose visitor was erased, and who had been reported to a receiver before."""
    click = from_facebook(installation, 1)
    send(installation, click)
    request_id = record(installation, "erasure", text="Please erase <b>me</b>.")
    eraser = installation.services.eraser
    eraser.erase(eraser.subject(click=click.click_id), request_id=request_id)
    return request_id
