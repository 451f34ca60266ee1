"""Applying a configuration: two at once both take effect."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tnc.admin.services import Services
from tnc.core.clock import World
from tnc.core.errors import InvalidError
from tnc.core.settings import Settings
from tnc.store.days.files import Days
from tnc.store.days.transactions import OfflineWriter
from tnc.store.keys.keyring import new_key_text
from tnc.store.workspace import Workspace
from tnc.tracking.setup import make_tracker, visit_reader
from tnc.visitors.request import Request

WITH_SECRET = """
[[destination]]
id = "hook"
type = "webhook"
url = "https://own.example/hook"
secret = "env:HOOK"
"""
OTHER = """
[[offer]]
id = "shoes"
url = "https://shop.example/shoes"
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    key = tmp_path / "key"
    key.write_text(new_key_text())
    with (
        Workspace.create(Settings(data=tmp_path / "data", key=key), World()) as workspace,
        closing(Days(workspace.paths.days, workspace.keyring)) as days,
    ):
        yield Services(workspace, OfflineWriter(days))


def test_two_applies_at_once_both_take_effect(services: Services) -> None:
    second = threading.Thread(target=services.configure.apply, args=(OTHER,), kwargs={"file": "other.toml"})

    def start_the_second(_name: str) -> str:
        second.start()
        second.join(0.3)
        return "whsec_bmV2ZXIgc2hvd24gYW55d2hlcmUgYXQgYWxs"

    first = services.configure.apply(WITH_SECRET, file="hook.toml", secret=start_the_second)
    second.join()

    version, configuration = services.workspace.configuration()
    assert (first["version"], version) == (1, 2)
    assert (list(configuration.destinations), list(configuration.offers)) == (["hook"], ["shoes"])


def test_an_apply_without_changes_makes_no_version(services: Services) -> None:
    services.configure.apply(OTHER, file="other.toml")

    again = services.configure.apply(OTHER, file="other.toml")

    assert (again["version"], again["changed"]) == (1, False)


@pytest.mark.parametrize("reference", ["env:PATH", "file:/etc/hostname", "file:/dev/zero", " file:/etc/hostname"])
def test_a_reference_is_refused_where_no_command_line_reads_it(services: Services, reference: str) -> None:
    text = WITH_SECRET.replace("env:HOOK", reference)

    for act in (services.configure.plan, services.configure.apply):
        with pytest.raises(InvalidError, match="is read only by `tnc apply` on the owner's machine"):
            act(text, file="this form")


CAMPAIGN = """
[[source]]
id = "ads"
params = { sub1 = "PARAMETER" }
[[campaign]]
id = "summer"
source = "ads"
otherwise = { type = "url", url = "https://shop.example/VERSION" }
"""


def test_a_click_records_the_version_that_decided_it(services: Services) -> None:
    """A configuration may go live between the look for the campaign and the decision."""
    workspace = services.workspace
    texts = [CAMPAIGN.replace("VERSION", each).replace("PARAMETER", f"site{each}") for each in ("1", "2")]
    services.configure.apply(texts[0], file="1.toml")
    workspace.rotate_salts()
    tracker = make_tracker(workspace, visit_reader(workspace))
    plan = tracker.plans.by_path["summer"]
    services.configure.apply(texts[1], file="2.toml")
    tracker.take_plans(workspace.plans(2))
    now_ms = workspace.world.now_ms()
    request = Request.of(
        [], host="a", target="/summer?site1=x&site2=y", peer="203.0.113.9", secure=False, arrived_at_ms=now_ms
    )

    arrival = tracker.arrive(plan, request)

    click = arrival.click
    assert (arrival.destination, click.config_version, click.visit.subs) == ("https://shop.example/1", 1, {"sub1": "x"})
    assert workspace.destination(click) == arrival.destination
