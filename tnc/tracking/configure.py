"""What can be changed: the same work whether a server does it for a command, or the command alone.

An operation is plain code that waits; a server runs it in a thread and lends its writer as `transact`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date as Date
from typing import Any

import msgspec

from tnc.campaigns.diff import diff, diff_json, diff_text
from tnc.campaigns.export import to_document
from tnc.campaigns.parse import read_toml
from tnc.core.clock import DAY_MS, MINUTE_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import Click, Configuration, Event
from tnc.core.settings import resolve_secret
from tnc.rules import needed_facts
from tnc.rules.compile import conditions_by_place
from tnc.rules.review_parity import SINGLES_OUT, refusal_text
from tnc.store.days.transactions import Transact, in_portions
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.csv_import import ConversionFile
from tnc.tracking.conversions.inbox import Later, PostbackInbox
from tnc.tracking.conversions.postback import Incoming
from tnc.tracking.conversions.remap import remap_all, words_differ
from tnc.tracking.import_clicks import click_of
from tnc.tracking.reclassify import Change, write_changes
from tnc.tracking.record import Caller, RecordedConversion
from tnc.tracking.review_parity import ReviewerAddresses
from tnc.visitors.geo.geo import PLACE_FACTS

Resolve = Callable[[str], str]

_LINES_AT_ONCE = 500
_ERRORS_SHOWN = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """What a running server wants to know at once; a command on files alone needs none of it."""

    configured: Callable[[int], None] = lambda _version: None
    converted: Callable[[RecordedConversion], None] = lambda _recorded: None
    later: Later | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What a file would change."""

    configuration: Configuration
    text: str
    json: dict[str, Any]
    changes: int


@dataclass(slots=True)
class _Imported:
    """What became of the lines of an import."""

    read: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    errors: list[str] = field(default_factory=list)

    def refuse(self, why: str) -> None:
        self.refused += 1
        if len(self.errors) < _ERRORS_SHOWN:
            self.errors.append(why)


class Operations:
    def __init__(self, workspace: Workspace, transact: Transact, hooks: Hooks = Hooks()) -> None:
        self._workspace = workspace
        self.transact = transact
        self._hooks = hooks
        self.receiving = PostbackInbox(workspace, transact, converted=hooks.converted, later=hooks.later)

    # -- configuration

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
            self._hooks.configured(version)
            if words_differ(before, planned.configuration):
                self._understand_anew()
        return {"version": version, "changed": bool(planned.changes), "text": planned.text, **planned.json}

    # -- conversions

    def _understand_anew(self) -> None:
        """Words that a network said before they were mapped, and the calls that said them."""
        remap_all(self._workspace, self.transact, converted=self._hooks.converted)
        self.receiving.replay(outcomes={"unmapped"})

    def add_conversion(self, incoming: Incoming) -> dict[str, Any]:
        """By hand. Raises NotFoundError for an unknown click."""
        recorded = self.receiving.convert(incoming, Caller(origin="hand"))
        if recorded.refused == "unknown click" or recorded.outcome is None:
            raise NotFoundError(
                "there is no such click: it was never recorded here, is older than the retention, or was erased."
            )
        after = recorded.outcome.after
        return {
            "answer": recorded.outcome.answer,
            "kind": recorded.outcome.kind,
            "conversion_id": None if after is None else after.conversion_id,
            "note": recorded.outcome.note,
        }

    def import_conversions(self, text: str, *, dry_run: bool) -> dict[str, Any]:
        """Conversions as CSV. What is there already adds nothing; each line is told what became of it."""
        file = ConversionFile(self._workspace, self.transact, converted=self._hooks.converted, dry_run=dry_run)
        return file.read(text)

    # -- what a click is called

    def say_of_clicks(self, date: str, changes: Sequence[tuple[int, Any]]) -> int:
        """Store what a filter says of clicks of a day, as `tracking.reclassify` found it; how many are still there."""
        said = msgspec.convert(changes, list[Change])
        day = (self._workspace.id, Date.fromisoformat(date))
        written: int = self.transact(day, lambda writer: write_changes(writer, said))
        return written

    # -- import

    def import_clicks(self, lines: Iterable[bytes], *, file: str) -> dict[str, Any]:
        """Past clicks, an object a line. What is there already adds nothing; unfit lines are named and left out."""
        told = _Imported()
        waiting: dict[Date, list[tuple[Click, list[Event]]]] = {}
        for number, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            told.read += 1
            try:
                click, events = click_of(_object(line), workspace=self._workspace.id)
                self._check_time(click)
                self._check_not_erased(click)
            except InvalidError as error:
                told.refuse(f"{file}, line {number}: {error}")
                continue
            date = utc_date(click.clicked_at_ms)
            waiting.setdefault(date, []).append((click, events))
            if len(waiting[date]) >= _LINES_AT_ONCE:
                self._add(date, waiting.pop(date), told)
        for date, clicks in sorted(waiting.items()):
            self._add(date, clicks, told)
        return asdict(told)

    def _check_not_erased(self, click: Click) -> None:
        if self._workspace.erasures.is_erased(click.click_id):
            raise InvalidError("this click was erased here; it does not come back.")

    def _check_time(self, click: Click) -> None:
        settings, now_ms = self._workspace.settings, self._workspace.world.now_ms()
        if click.clicked_at_ms > now_ms + MINUTE_MS:
            raise InvalidError("clicked_at lies in the future.")
        if click.clicked_at_ms < now_ms - settings.clicks_days * DAY_MS:
            raise InvalidError(f"clicked_at is older than clicks are kept here ({settings.clicks_days} days).")

    def _add(self, date: Date, clicks: Sequence[tuple[Click, list[Event]]], told: _Imported) -> None:
        def add(writer: DayWriter, each: tuple[Click, list[Event]]) -> bool:
            click, events = each
            if writer.find(click.click_id) is not None:
                return False
            writer.add_story(click, events)
            return True

        day = (self._workspace.id, date)
        added = sum(map(sum, in_portions(self.transact, day, clicks, add, world=self._workspace.world)))
        told.added += added
        told.known += len(clicks) - added


def _object(line: bytes) -> Mapping[str, Any]:
    try:
        given = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise InvalidError(f"this is not JSON: {error}.") from error
    if not isinstance(given, dict):
        raise InvalidError("this is not a JSON object.")
    return given


def _unknown_to_all(place: str, fact: str) -> str:
    return (
        f"{place}: no installed geo data knows {fact}, so the condition could not be judged; `tnc ipdb list` shows "
        "what there is. Install data that has it with `tnc ipdb update` or `tnc ipdb add FILE`, or leave the condition "
        "away."
    )
