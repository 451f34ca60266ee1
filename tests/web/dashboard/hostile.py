"""An installation full of hostile text, which came in wherever such text can come in."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.web.dashboard.installed import NOW_MS, Installation, installed
from tests.web.dashboard.week import count, from_facebook, sell
from tnc.core import fields
from tnc.core.clock import new_id
from tnc.core.models import DestinationId
from tnc.core.toml import inline

_FREE = ("text", "list", "table")  # kinds of fields that hold free text


@dataclass
class Hostile:
    """`click` was imported with the text in every field; `real` is a visit with the text in its headers."""

    installation: Installation
    text: str
    click: str
    real: str
    request: str


@contextmanager
def hostile(text: str) -> Iterator[Hostile]:
    """Every text from outside, and every name that may hold it, is `text`."""
    with installed() as made:
        made.apply(_configuration(text))
        made.clock.now_ms = NOW_MS - 1000
        click_id = new_id(NOW_MS - 1000, bytes(8))
        made.import_clicks(_click(click_id, text))
        real = made.visit("summer", user_agent=text, query="ext=1", Referer=text, Accept_Language=text)
        made.postback(real.click_id, status=text, event=text, txid=text)
        made.postback("0" * 28, status=text, x=text)
        _delivery(made, text)
        request, _ = made.services.privacy_requests.submit("erasure", text=text, contact=text[:254])
        made.clock.now_ms = NOW_MS
        yield Hostile(made, text, click_id, real.click_id, request.request_id)


def _configuration(text: str) -> str:
    """Names may hold any printable text."""
    name = inline("".join(each if each.isprintable() else "?" for each in text)[:200])
    word = inline("".join(each if each.isprintable() else "?" for each in text)[:100])
    return f"""
[[source]]
id = "native-ads"
name = {name}
click_id = {word}
[[network]]
id = "good-network"
name = {name}
key = {word}
[[offer]]
id = "shoes"
name = {name}
network = "good-network"
url = "https://shop.example/shoes?s2={{click_id}}"
[[lander]]
id = "quiz"
name = {name}
url = "https://land.example/quiz?k={{click_id}}"
[[filter]]
id = "standard"
name = {name}
when = [ {{ fact = "param.x", contains = [{name}] }} ]
[[destination]]
id = "meta-main"
name = {name}
type = "meta"
pixel = "123456789012345"
access_token = "EAAmetatoken"
base_url = "https://meta.example"
events = {{ sale = {word} }}
[[campaign]]
id = "summer"
name = {name}
source = "native-ads"
filter = "standard"
destinations = ["meta-main"]
[[campaign.flow]]
id = "us-mobile"
when = [ {{ fact = "param.x", contains = [{name}] }} ]
landers = [ {{ id = "quiz" }} ]
offers = [ {{ id = "shoes" }} ]
[[campaign.flow]]
id = "rest"
offers = [ {{ id = "shoes" }} ]
"""


def _click(click_id: str, text: str) -> dict[str, Any]:
    """An imported file may hold any text."""
    wrapped = {"text": text, "list": [text], "table": {text: text}}
    closed = {"traffic", "device", "action", "consent", "connection", "country", "click_id", "campaign", "workspace"}
    words = {
        name: wrapped[field.kind]
        for name, field in fields.FIELDS.items()
        if field.about.public and field.kind in _FREE and name not in closed
    }
    sale = {"converted_at": "2026-11-23T14:05:05.123Z", "status": None, "event": text, "txid": text}
    history = [{"at": "2026-11-23T14:05:05.123Z", "status": None, "status_word": text}]
    return words | {
        "click_id": click_id,
        "clicked_at": "2026-11-23T14:05:05.123Z",
        "campaign": "summer",
        "currency": "USD",
        "conversions": [sale | {"history": history}],
    }


def _delivery(made: Installation, text: str) -> None:
    """The receiver replies with the text, and refuses what is sent."""
    made.meta.answer_next(400, {"error": {"message": text, "code": 100, "is_transient": False}})
    made.meta.answer_next(400, {"error": {"message": text, "code": 190, "is_transient": False}})
    for number in (1, 2):
        sell(made, from_facebook(made, number), key=_configured_key(made))
        made.wait_until(lambda: count(made, "dead") == 1)
    made.wait_until(lambda: made.services.destinations.statuses()[DestinationId("meta-main")].state == "stopped")


def _configured_key(made: Installation) -> str:
    [network] = made.configuration.networks.values()
    return network.key or ""
