"""What can be changed: the same work whether a server does it for a command, or the command alone.

An operation is plain code that waits; a server runs it in a thread and lends its writer as `transact`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tnc.campaigns.diff import diff, diff_json, diff_text
from tnc.campaigns.export import to_document
from tnc.campaigns.parse import read_toml
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Configuration
from tnc.core.settings import resolve_secret
from tnc.rules import needed_facts
from tnc.rules.compile import conditions_by_place
from tnc.rules.review_parity import SINGLES_OUT, refusal_text
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.inbox import PostbackInbox
from tnc.tracking.conversions.remap import words_differ
from tnc.tracking.listener import NO_LISTENER, Listener
from tnc.tracking.review_parity import ReviewerAddresses
from tnc.visitors.geo.geo import PLACE_FACTS

Resolve = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a file would change."""

    configuration: Configuration
    text: str
    json: dict[str, Any]
    changes: int


class Configure:
    def __init__(self, workspace: Workspace, conversions: PostbackInbox, listener: Listener = NO_LISTENER) -> None:
        self._workspace = workspace
        self._conversions = conversions
        self._listener = listener

    def plan(self, text: str, *, file: str, prune: bool = False, secret: Resolve = resolve_secret) -> Planned:
        """What `apply` would do. Raises InvalidError with everything that is wrong."""
        _, present = self._workspace.configuration()
        wanted = read_toml(
            text,
            file=file,
            base=present,
            prune=prune,
            allow_hosts=self._workspace.settings.allow_hosts,
            secret=secret,
        )
        self._refuse_missing_data(present, wanted)
        self._hold_the_line(present, wanted)
        changes = diff(present, wanted)
        return Planned(configuration=wanted, text=diff_text(changes), json=diff_json(changes), changes=len(changes))

    def _refuse_missing_data(self, present: Configuration, wanted: Configuration) -> None:
        """A new flow on a fact that nothing installed can tell is refused: it would take everybody or nobody.

        Likewise a filter that asks for nothing else; one that asks for other things too does its work without.
        """
        missing = PLACE_FACTS - self._workspace.geo().known_facts()
        before = needed_facts(present)
        for fact, places in needed_facts(wanted).items():
            new = [place for place in places if place.startswith("flow") and place not in before.get(fact, ())]
            if fact in missing and new:
                raise InvalidError(_unknown_to_all(new[0], fact))
        for judge in wanted.filters.values():
            asked = {condition.fact for condition in judge.when}
            if asked and asked <= missing and not judge.archived and judge != present.filters.get(judge.id):
                raise InvalidError(_unknown_to_all(f"filter {judge.id!r}", " or ".join(sorted(asked))))

    def _hold_the_line(self, present: Configuration, wanted: Configuration) -> None:
        """A new condition on the addresses of an ad platform alone is refused, like one on their names."""
        before = dict(conditions_by_place(present))
        addresses = ReviewerAddresses(self._workspace.agents.crawlers)
        for place, conditions in conditions_by_place(wanted):
            for condition in conditions:
                if condition not in before.get(place, ()) and addresses.are_all_of(condition):
                    raise InvalidError(f"{place}: {refusal_text(condition, SINGLES_OUT, place.partition(' ')[0])}.")

    def apply(
        self,
        text: str,
        *,
        file: str,
        prune: bool = False,
        by: str = "command line",
        secret: Resolve = resolve_secret,
    ) -> dict[str, Any]:
        """All or nothing: a new version, or none when nothing changes. Answers with its number and the diff.

        `secret` reads "env:NAME" and "file:/path" where the one who applies can: a server cannot.
        """
        planned = self.plan(text, file=file, prune=prune, secret=secret)
        return self._make_version(planned, by=by)

    def roll_back(self, version: int, *, by: str = "command line") -> dict[str, Any]:
        """Apply an older version: a new one with the same content."""
        return self._make_version(self.plan_version(version), by=by)

    def plan_version(self, version: int) -> Planned:
        """What rolling back to a version would change. Raises NotFoundError when there is no such version."""
        workspace = self._workspace
        if not 0 < version <= workspace.latest_version():
            raise NotFoundError(f"there is no version {version}; `tnc versions` lists them.")
        wanted = workspace.plans(version).configuration
        changes = diff(workspace.configuration()[1], wanted)
        return Planned(configuration=wanted, text=diff_text(changes), json=diff_json(changes), changes=len(changes))

    def _make_version(self, planned: Planned, *, by: str) -> dict[str, Any]:
        workspace = self._workspace
        version, before = workspace.configuration()
        if planned.changes:
            version = workspace.versions.add(
                workspace.id,
                to_document(planned.configuration),
                made_at_ms=workspace.world.now_ms(),
                made_by=by,
                note=planned.text,
            ).wait()
            self._listener.configured(version)
            if words_differ(before, planned.configuration):
                self._conversions.remap()
        return {"version": version, "changed": bool(planned.changes), "text": planned.text, **planned.json}


def _unknown_to_all(place: str, fact: str) -> str:
    return (
        f"{place}: no installed geo data knows {fact}, so the condition could not be judged; `tnc ipdb list` shows "
        "what there is. Install data that has it with `tnc ipdb update` or `tnc ipdb add FILE`, or leave the condition "
        "away."
    )
