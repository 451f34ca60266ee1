"""The owner's configuration goes live: plan a TOML file, apply it as a new version, roll back to an older one."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tnc.campaigns.diff import diff, diff_json, diff_text
from tnc.campaigns.export import to_document
from tnc.campaigns.parse import read_toml
from tnc.campaigns.warnings import warnings
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Configuration
from tnc.core.settings import refuse_secret_reference
from tnc.rules import needed_facts
from tnc.rules.compile import conditions_by_place
from tnc.rules.review_parity import SINGLES_OUT, refusal_text
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.inbox import PostbackInbox
from tnc.tracking.conversions.remap import status_maps_differ
from tnc.tracking.listener import NO_LISTENER, Listener
from tnc.tracking.review_parity import ReviewerAddresses
from tnc.visitors.geo.geo import PLACE_FACTS

Resolve = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a file, or an older version, would change."""

    configuration: Configuration
    text: str  # the changes, and warnings
    note: str  # the changes alone
    json: dict[str, Any]
    changes: int


class Configure:
    def __init__(self, workspace: Workspace, conversions: PostbackInbox, listener: Listener = NO_LISTENER) -> None:
        self._workspace = workspace
        self._conversions = conversions
        self._listener = listener
        self._applying = threading.Lock()  # two applies at once would start from the same version, and one be lost

    def plan(self, text: str, *, file: str, prune: bool = False, secret: Resolve = refuse_secret_reference) -> Planned:
        """What `apply` would change. Raises InvalidError that names every mistake."""
        _, current = self._workspace.configuration()
        wanted = read_toml(
            text,
            file=file,
            base=current,
            prune=prune,
            allow_hosts=self._workspace.settings.allow_hosts,
            secret=secret,
        )
        self._refuse_missing_data(current, wanted)
        self._refuse_reviewer_targeting(current, wanted)
        return _planned(current, wanted)

    def _refuse_missing_data(self, current: Configuration, wanted: Configuration) -> None:
        """Refuse a new flow with a condition on a fact that no installed geo data knows: it would match all or none.

        Likewise a filter all of whose conditions are on such facts; with others besides it still works.
        """
        missing = PLACE_FACTS - self._workspace.geo().known_facts()
        before = needed_facts(current)
        for fact, places in needed_facts(wanted).items():
            new = [place for place in places if place.startswith("flow") and place not in before.get(fact, ())]
            if fact in missing and new:
                raise InvalidError(_unknown_fact(new[0], fact))
        for each in wanted.filters.values():
            facts = {condition.fact for condition in each.when}
            if facts and facts <= missing and not each.archived and each != current.filters.get(each.id):
                raise InvalidError(_unknown_fact(f"filter {each.id!r}", " or ".join(sorted(facts))))

    def _refuse_reviewer_targeting(self, current: Configuration, wanted: Configuration) -> None:
        """Refuse a new condition that matches only IP addresses of an ad platform, as one on their user agents is."""
        before = dict(conditions_by_place(current))
        addresses = ReviewerAddresses(self._workspace.agents.crawlers)
        for place, conditions in conditions_by_place(wanted):
            for condition in conditions:
                if condition not in before.get(place, ()) and addresses.are_all_in(condition):
                    raise InvalidError(f"{place}: {refusal_text(condition, SINGLES_OUT, place.partition(' ')[0])}.")

    def apply(
        self,
        text: str,
        *,
        file: str,
        prune: bool = False,
        by: str = "command line",
        secret: Resolve = refuse_secret_reference,
    ) -> dict[str, Any]:
        """Store a new version, all or nothing, or none when nothing changes; returns its number and the diff.

        `secret` reads "env:NAME" and "file:/path"; without it they are refused, because a server would read them with
        its own rights for every dashboard user.
        """
        return self._make_version(lambda: self.plan(text, file=file, prune=prune, secret=secret), by=by)

    def roll_back(self, version: int, *, by: str = "command line") -> dict[str, Any]:
        """Store a new version with the content of an older one."""
        return self._make_version(lambda: self.plan_version(version), by=by)

    def plan_version(self, version: int) -> Planned:
        """What rolling back to a version would change. Raises NotFoundError when there is no such version."""
        workspace = self._workspace
        if not 0 < version <= workspace.latest_version():
            raise NotFoundError(f"there is no version {version}; `tnc versions` lists them.")
        wanted = workspace.plans(version).configuration
        return _planned(workspace.configuration()[1], wanted)

    def _make_version(self, plan: Callable[[], Planned], *, by: str) -> dict[str, Any]:
        workspace = self._workspace
        with self._applying:
            version, before = workspace.configuration()
            planned = plan()
            if planned.changes:
                version = workspace.versions.add(
                    workspace.id,
                    to_document(planned.configuration),
                    made_at_ms=workspace.world.now_ms(),
                    made_by=by,
                    note=planned.note,
                ).wait()
                workspace.save_snapshot()
        if planned.changes:
            self._listener.configured(version)
            if status_maps_differ(before, planned.configuration):
                self._conversions.remap()
        return {"version": version, "changed": bool(planned.changes), "text": planned.text, **planned.json}


def _planned(current: Configuration, wanted: Configuration) -> Planned:
    changes, doubts = diff(current, wanted), warnings(wanted)
    note = diff_text(changes)
    text = "\n".join([note, *(f"warning: {doubt}" for doubt in doubts)])
    json = {**diff_json(changes), "warnings": doubts}
    return Planned(configuration=wanted, text=text, note=note, json=json, changes=len(changes))


def _unknown_fact(place: str, fact: str) -> str:
    return (
        f"{place}: no installed geo data knows {fact}, so the condition could never be evaluated; `tnc ipdb list` "
        "shows what is installed. Install data that has it with `tnc ipdb update` or `tnc ipdb add FILE`, or leave "
        "the condition away."
    )
