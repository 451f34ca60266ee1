"""The postback inbox: every call that tells of a conversion, heard, answered and kept, and heard again later.

A call about a click of today is kept in the transaction that stores what it says; any other right after it. A
call for an erased click is answered as unknown, counted, and kept nowhere.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date as Date
from functools import partial
from heapq import merge
from typing import Any, Final

from msgspec.structs import replace as amended

from tnc.core.clock import ID_RANDOM_BYTES, new_id
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.fields import rfc3339
from tnc.core.models import ClickId, ConversionId
from tnc.store.days.inbox import STRAY, UNMATCHED, Call, CallOutcome, InboxRow, Origin, ids_told
from tnc.store.days.transactions import Writer
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.csv_import import ConversionFile
from tnc.tracking.conversions.postback import Incoming, click_named, read_postback
from tnc.tracking.conversions.record import Caller, RecordedConversion, record_conversion
from tnc.tracking.conversions.remap import remap_all
from tnc.tracking.listener import NO_LISTENER, Listener
from tnc.visitors.client_ip import truncate_ip

_MASK: Final = "***"
_SECRETS: Final = frozenset({"key"})

_UNKNOWN_CLICK: Final = (
    "No click here has this id: it was made by another tracker, is older than clicks are kept, or the network sends"
    " something else than what {click_id} put into the offer's address. Check the macro in the network's postback URL."
)
_REFUSED: Final[Mapping[str, str]] = {
    "wrong key": "The call did not carry the network's key: put key=... into its postback URL, or take `key` away.",
    "address not allowed": "The caller's address is not among the network's `allow_ips`: add it if it is theirs.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostbackCall:
    """A call as it came. `path` is without a key; `params` may hold one.

    `problem`: why its body cannot be read. `note`: what was mended while it was read, for its owner.
    """

    method: str
    path: str
    params: Mapping[str, str]
    peer_ip: str | None
    origin: Origin = "postback"
    problem: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostbackReply:
    """`status` is HTTP's."""

    status: int
    text: str
    outcome: CallOutcome


class PostbackInbox:
    def __init__(self, workspace: Workspace, writer: Writer, listener: Listener = NO_LISTENER) -> None:
        self._workspace = workspace
        self._writer = writer
        self._listener = listener

    # -- now

    def convert(
        self,
        incoming: Incoming,
        caller: Caller,
        *,
        also: Callable[[Date, DayWriter, RecordedConversion], None] = lambda _date, _writer, _recorded: None,
    ) -> RecordedConversion:
        """Store what is said about a conversion, and what is to be stored `also`; durable when this returns."""
        workspace = self._workspace
        date = workspace.histories.date_of(incoming.click_id)
        if date is None:
            return RecordedConversion(click=None, offer=None, outcome=None, refused="unknown click")
        now_ms = workspace.world.now_ms()
        _, configuration = workspace.configuration()

        def record(writer: DayWriter) -> RecordedConversion:
            recorded = record_conversion(
                writer,
                incoming,
                configuration=configuration,
                caller=caller,
                now_ms=now_ms,
                new_id=lambda: ConversionId(new_id(now_ms, workspace.world.token(ID_RANDOM_BYTES))),
            )
            also(date, writer, recorded)
            return recorded

        recorded = self._writer.transact((workspace.id, date), record)
        self._listener.converted(recorded)
        return recorded

    def hear(self, heard: PostbackCall) -> PostbackReply:
        """Raises UnavailableError when what was said could not be stored."""
        now_ms = self._workspace.world.now_ms()
        today = utc_date(now_ms)
        try:
            return self._hear(heard, _read(heard), now_ms, today)
        except InvalidError as error:
            answered = PostbackReply(status=400, text=str(error), outcome="invalid")
            self._keep_stray(today, _row(heard, now_ms, answered, note=str(error)), click_named(heard.params))
            return answered

    def _hear(self, heard: PostbackCall, incoming: Incoming, now_ms: int, today: Date) -> PostbackReply:
        kept = False

        def keep_with_it(date: Date, writer: DayWriter, recorded: RecordedConversion) -> None:
            nonlocal kept
            if date == today:
                kept = True
                self._add(writer, _row_of(heard, now_ms, recorded), incoming.click_id)

        recorded = self.convert(incoming, Caller(origin=heard.origin, peer_ip=heard.peer_ip), also=keep_with_it)
        if recorded.refused == "unknown click":
            self._keep_stray(today, _row_of(heard, now_ms, recorded), incoming.click_id)
        elif not kept:
            self._keep(today, _row_of(heard, now_ms, recorded), incoming.click_id)
        return _answered(recorded)

    def _keep(self, today: Date, row: InboxRow, click_id: ClickId | None) -> None:
        self._writer.later((self._workspace.id, today), lambda writer: self._add(writer, row, click_id))

    def _keep_stray(self, today: Date, row: InboxRow, click_id: ClickId | None) -> None:
        """What is said of an erased click is counted and kept nowhere."""
        if self._workspace.erasures.find_erased(_clicks_in(row, click_id)).wait():
            self._writer.later((self._workspace.id, today), _count_erased)
        else:
            self._keep(today, row, click_id)

    def _add(self, writer: DayWriter, row: InboxRow, click_id: ClickId | None) -> None:
        """Its click may have been erased since it was heard, by somebody who looks for no more calls of it."""
        if any(map(self._workspace.erasures.was_just_erased, _clicks_in(row, click_id))):
            _count_erased(writer)
            return
        token = None if click_id is None else writer.keys.token("click", click_id)
        writer.inbox.add(replace(row, click=token))

    def add(self, incoming: Incoming) -> dict[str, Any]:
        """By hand. Raises NotFoundError for an unknown click."""
        recorded = self.convert(incoming, Caller(origin="hand"))
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

    def import_csv(self, text: str, *, dry_run: bool) -> dict[str, Any]:
        """Conversions as CSV; a line that is stored already adds nothing. Gives the outcome of each line."""
        return ConversionFile(self._workspace, self._writer, self._listener, dry_run=dry_run).read(text)

    # -- afterwards

    def remap(self) -> None:
        """Read statuses that were unknown when they came by the present mapping, also in the calls that are stored."""
        remap_all(self._workspace, self._writer, self._listener)
        self.replay(outcomes={"unmapped"})

    def rows(
        self, *, outcomes: Collection[CallOutcome] | None = None, limit: int | None = None
    ) -> Iterator[tuple[Date, InboxRow]]:
        """Newest first, across the days."""
        days = [self._rows_of(date, outcomes, limit) for date in reversed(self._workspace.histories.dates())]
        newest = merge(*days, key=lambda each: each[1].at_ms, reverse=True)
        for number, each in enumerate(newest):
            if limit is not None and number >= limit:
                return
            yield each

    def _rows_of(
        self, date: Date, outcomes: Collection[CallOutcome] | None, limit: int | None
    ) -> list[tuple[Date, InboxRow]]:
        with self._workspace.histories.day(date) as reader:
            return [(date, row) for row in reader.inbox.newest(outcomes=outcomes, limit=-1 if limit is None else limit)]

    def replay(self, call: str | None = None, *, outcomes: Collection[CallOutcome] = UNMATCHED) -> dict[str, Any]:
        """Hear one call again, or all that came to certain outcomes. Key and address need not fit any more."""
        rows = [self._one(call)] if call is not None else list(self.rows(outcomes=outcomes))
        now: Counter[str] = Counter()
        for date, row in reversed(rows):
            again = self._heard_again(row)
            self._writer.transact((self._workspace.id, date), partial(_change, again))
            now[again.outcome] += 1
        return {"replayed": len(rows), "outcomes": dict(now)}

    def _one(self, text: str) -> tuple[Date, InboxRow]:
        day, _, number = text.partition("-")
        try:
            date, seq = Date.fromisoformat(day), int(number)
            with self._workspace.histories.day(date) as reader:
                row = reader.inbox.find(seq)
            if row is not None:
                return date, row
        except (ValueError, NotFoundError):
            pass
        raise NotFoundError(f"there is no call {text!r} in the inbox; `tnc conversion inbox` lists them.")

    def _heard_again(self, row: InboxRow) -> InboxRow:
        """What a call comes to now. What it came to before is not made less by hearing it twice."""
        call = amended(row.call, replays=row.call.replays + 1)
        try:
            recorded = self.convert(read_postback(call.params), Caller(origin=call.origin))
        except InvalidError as error:
            return replace(row, call=amended(call, note=str(error)))
        if row.outcome not in UNMATCHED:
            return replace(row, call=call)
        now = _row_of(_heard(call), row.at_ms, recorded)
        after = None if recorded.outcome is None else recorded.outcome.after
        if row.outcome == "unmapped" and now.outcome == "duplicate":
            if after is None or after.status is None:
                return replace(row, call=call)  # no mapping knows its status yet
            now = replace(now, outcome="changed", call=amended(now.call, note="Its word was mapped since."))
        return replace(now, seq=row.seq, click=row.click, call=amended(now.call, peer=call.peer, replays=call.replays))


def call_id(date: Date, row: InboxRow) -> str:
    """`20261124-17`: the day of its arrival, and its number there."""
    return f"{date:%Y%m%d}-{row.seq}"


def call_json(date: Date, row: InboxRow) -> dict[str, Any]:
    call = row.call
    return {
        "call_id": call_id(date, row),
        "at": rfc3339(row.at_ms),
        "outcome": row.outcome,
        "method": call.method,
        "path": call.path,
        "params": call.params,
        "from": call.peer,
        "network": call.network,
        "conversion_id": call.conversion_id,
        "status": call.status,
        "answer": call.answer,
        "note": call.note,
        "replays": call.replays,
    }


def _read(heard: PostbackCall) -> Incoming:
    if heard.problem is not None:
        raise InvalidError(heard.problem)
    return read_postback(heard.params)


def _change(row: InboxRow, writer: DayWriter) -> None:
    writer.inbox.change(row)


def _clicks_in(row: InboxRow, click_id: ClickId | None) -> set[ClickId]:
    """The clicks that a call may be about: the one it named, and of a stray whatever looks like one."""
    strays = map(ClickId, ids_told(row.call.params)) if row.outcome in STRAY else ()
    return {*strays, *([] if click_id is None else [click_id])}


def _count_erased(writer: DayWriter) -> None:
    writer.count("postbacks for erased clicks", 1)


def _answered(recorded: RecordedConversion) -> PostbackReply:
    if recorded.outcome is not None:
        return PostbackReply(status=200, text=recorded.outcome.answer, outcome=recorded.outcome.kind)
    text = recorded.refused or ""
    if text == "unknown click":
        return PostbackReply(status=404, text=text, outcome="unknown-click")
    return PostbackReply(status=403, text=text, outcome="refused")


def _row_of(heard: PostbackCall, at_ms: int, recorded: RecordedConversion) -> InboxRow:
    answered, outcome = _answered(recorded), recorded.outcome
    if outcome is not None:
        note = outcome.note
    else:
        note = _UNKNOWN_CLICK if answered.status == 404 else _REFUSED.get(answered.text, answered.text)
    row = _row(heard, at_ms, answered, note=note)
    after = None if outcome is None else outcome.after
    if after is None:
        return row
    return replace(row, call=amended(row.call, conversion_id=after.conversion_id, network=after.network))


def _row(heard: PostbackCall, at_ms: int, answered: PostbackReply, *, note: str) -> InboxRow:
    call = Call(
        method=heard.method,
        path=heard.path,
        params={name: _MASK if name.lower() in _SECRETS else value for name, value in heard.params.items()},
        origin=heard.origin,
        peer=None if heard.peer_ip is None else truncate_ip(heard.peer_ip),
        status=answered.status,
        answer=answered.text,
        note=f"{heard.note} {note}".strip(),
    )
    return InboxRow(seq=-1, at_ms=at_ms, outcome=answered.outcome, click=None, call=call)


def _heard(call: Call) -> PostbackCall:
    return PostbackCall(method=call.method, path=call.path, params=call.params, peer_ip=None, origin=call.origin)
