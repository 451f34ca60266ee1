"""The postback inbox: every postback is processed, answered and stored, and can be processed again.

A postback about a click of today is stored in the transaction that stores its conversion; any other right after it. A
postback for an erased click is answered as unknown and counted, and not stored.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date as Date
from functools import partial
from heapq import merge
from typing import Any, Final

from msgspec.structs import replace as replace_struct

from tnc.core.clock import ID_RANDOM_BYTES, new_id
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.fields import rfc3339
from tnc.core.models import ClickId, ConversionId
from tnc.store.days.inbox import STRAY, UNMATCHED, Call, CallOutcome, InboxRow, Origin, click_ids_in
from tnc.store.days.transactions import Writer
from tnc.store.days.writer import DayWriter, utc_date
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.call_limits import LARGEST_BYTES, CallLimits, cut
from tnc.tracking.conversions.csv_import import ConversionFile
from tnc.tracking.conversions.networks import WRONG_KEY
from tnc.tracking.conversions.postback import Incoming, click_named, read_postback
from tnc.tracking.conversions.record import Caller, RecordedConversion, record_conversion
from tnc.tracking.conversions.remap import remap_all
from tnc.tracking.listener import NO_LISTENER, Listener
from tnc.visitors.client_ip import truncate_ip

_MASK: Final = "***"
_SECRETS: Final = frozenset({"key"})

_UNKNOWN_CLICK: Final = (
    "No click here has this id: another tracker made it, it is older than the retention of clicks, or the network sends"
    " something else than what {click_id} put into the offer's URL. Check the macro in the network's postback URL."
)
_TOO_MANY_KEYS: Final = "too many wrong keys: wait a minute"
_CUT: Final = f"Its parameters were longer than {LARGEST_BYTES} bytes and are stored shortened."
_REFUSED: Final[Mapping[str, str]] = {
    "wrong key": "The postback did not have the network's key: put key=... into its postback URL, or remove `key`.",
    "address not allowed": "The caller's IP address is not among the network's `allow_ips`: add it if it is theirs.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostbackCall:
    """A postback as it came. `path` is without a key; `params` may hold one.

    `problem`: why its body cannot be read. `note`: what was corrected while it was read, for the owner.
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
    """`status` is the HTTP status."""

    status: int
    text: str
    outcome: CallOutcome


class PostbackInbox:
    def __init__(self, workspace: Workspace, writer: Writer, listener: Listener = NO_LISTENER) -> None:
        self._workspace = workspace
        self._writer = writer
        self._listener = listener
        self.limits = CallLimits(workspace.paths.data)

    # -- conversions as they come in

    def convert(
        self,
        incoming: Incoming,
        caller: Caller,
        *,
        also: Callable[[Date, DayWriter, RecordedConversion], None] = lambda _date, _writer, _recorded: None,
    ) -> RecordedConversion:
        """Store a report about a conversion; durable when this returns.

        `also` runs in the same transaction, with the date of its day.
        """
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

    def receive(self, call: PostbackCall) -> PostbackReply:
        """Process a postback and store it. Raises UnavailableError when the disk refuses its conversion."""
        now_ms = self._workspace.world.now_ms()
        today = utc_date(now_ms)
        if call.origin != "test" and not self.limits.may_try_key(call.peer_ip, now_ms):
            self.limits.not_kept += 1
            return PostbackReply(status=429, text=_TOO_MANY_KEYS, outcome="refused")
        try:
            return self._receive(call, _read(call), now_ms, today)
        except InvalidError as error:
            reply = PostbackReply(status=400, text=str(error), outcome="invalid")
            self._store_unmatched(today, call, _row(call, now_ms, reply, note=str(error)), click_named(call.params))
            return reply

    def _receive(self, call: PostbackCall, incoming: Incoming, now_ms: int, today: Date) -> PostbackReply:
        stored = False

        def store_with_it(date: Date, writer: DayWriter, recorded: RecordedConversion) -> None:
            nonlocal stored
            if date == today:
                stored = True
                if recorded.refused is not None and not self._keeps(call, now_ms):
                    _count_not_kept(writer)
                    return
                self._add(writer, _row_of(call, now_ms, recorded), incoming.click_id)

        caller = Caller(origin=call.origin, peer_ip=call.peer_ip, currencies=self._currencies())
        recorded = self.convert(incoming, caller, also=store_with_it)
        if recorded.refused == WRONG_KEY or recorded.outcome is not None:
            self.limits.note_key(call.peer_ip, now_ms, right=recorded.outcome is not None)
        if recorded.refused == "unknown click":
            self._store_unmatched(today, call, _row_of(call, now_ms, recorded), incoming.click_id)
        elif not stored and (recorded.refused is None or self._keeps(call, now_ms)):
            self._store(today, _row_of(call, now_ms, recorded), incoming.click_id)
        return _reply(recorded)

    def _currencies(self) -> frozenset[str]:
        settings = self._workspace.settings
        return frozenset({settings.currency, *dict(settings.rates)})

    def _keeps(self, call: PostbackCall, now_ms: int) -> bool:
        return call.origin == "test" or self.limits.keeps(call.peer_ip, now_ms)

    def _store(self, today: Date, row: InboxRow, click_id: ClickId | None) -> None:
        self._writer.later((self._workspace.id, today), lambda writer: self._add(writer, row, click_id))

    def _store_unmatched(self, today: Date, call: PostbackCall, row: InboxRow, click_id: ClickId | None) -> None:
        """A postback for an erased click is counted and not stored; nor is one beyond the limits."""
        if not self._keeps(call, row.at_ms):
            return
        if self._workspace.erasures.find_erased(_clicks_in(row, click_id)).wait():
            self._writer.later((self._workspace.id, today), _count_erased)
        else:
            self._store(today, row, click_id)

    def _add(self, writer: DayWriter, row: InboxRow, click_id: ClickId | None) -> None:
        """Not when its click was erased since the postback came: that erasure searches for no more postbacks."""
        if any(map(self._workspace.erasures.was_just_erased, _clicks_in(row, click_id))):
            _count_erased(writer)
            return
        token = None if click_id is None else writer.keys.token("click", click_id)
        writer.inbox.add(replace(row, click=token))

    def add(self, incoming: Incoming) -> dict[str, Any]:
        """Add a conversion by hand. Raises NotFoundError for an unknown click."""
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

    def import_csv(self, text: str, *, dry_run: bool, timezone: str = "UTC") -> dict[str, Any]:
        """Import conversions; a line that is stored already adds nothing. Returns the outcome of each line."""
        return ConversionFile(self._workspace, self._writer, self._listener, dry_run=dry_run).read(
            text, timezone=timezone
        )

    # -- the stored postbacks

    def remap(self) -> None:
        """Apply the current status mapping to conversions and postbacks whose status was unknown when it came."""
        remap_all(self._workspace, self._writer, self._listener)
        self.replay(outcomes={"unmapped"})

    def rows(
        self, *, outcomes: Collection[CallOutcome] | None = None, limit: int | None = None
    ) -> Iterator[tuple[Date, InboxRow]]:
        """Postbacks of all days with the date of each, newest first."""
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
        """Process one postback again, or all with these outcomes. Key and IP address are not checked again."""
        rows = [self._one(call)] if call is not None else list(self.rows(outcomes=outcomes))
        now: Counter[str] = Counter()
        for date, row in reversed(rows):
            again = self._process_again(row)
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
        raise NotFoundError(f"there is no postback {text!r} in the inbox; `tnc conversion inbox` lists them.")

    def _process_again(self, row: InboxRow) -> InboxRow:
        """The row with its outcome now. An outcome that matched a conversion before stays."""
        call = replace_struct(row.call, replays=row.call.replays + 1)
        try:
            recorded = self.convert(
                read_postback(call.params), Caller(origin=call.origin, currencies=self._currencies())
            )
        except InvalidError as error:
            return replace(row, call=replace_struct(call, note=str(error)))
        if row.outcome not in UNMATCHED:
            return replace(row, call=call)
        now = _row_of(_call_of(call), row.at_ms, recorded)
        after = None if recorded.outcome is None else recorded.outcome.after
        if row.outcome == "unmapped" and now.outcome == "duplicate":
            if after is None or after.status is None:
                return replace(row, call=call)  # no mapping knows its status yet
            now = replace(now, outcome="changed", call=replace_struct(now.call, note="The status was mapped since."))
        return replace(
            now, seq=row.seq, click=row.click, call=replace_struct(now.call, peer=call.peer, replays=call.replays)
        )


def call_id(date: Date, row: InboxRow) -> str:
    """`20261124-17`: the date it came, and its number in that day."""
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


def _read(call: PostbackCall) -> Incoming:
    if call.problem is not None:
        raise InvalidError(call.problem)
    return read_postback(call.params)


def _change(row: InboxRow, writer: DayWriter) -> None:
    writer.inbox.change(row)


def _clicks_in(row: InboxRow, click_id: ClickId | None) -> set[ClickId]:
    """The clicks a postback may be about: the one it names, and when it matched none every text like a click id."""
    strays = map(ClickId, click_ids_in(row.call.params)) if row.outcome in STRAY else ()
    return {*strays, *([] if click_id is None else [click_id])}


def _count_not_kept(writer: DayWriter) -> None:
    writer.count("postbacks beyond the limits", 1)


def _count_erased(writer: DayWriter) -> None:
    writer.count("postbacks for erased clicks", 1)


def _reply(recorded: RecordedConversion) -> PostbackReply:
    if recorded.outcome is not None:
        return PostbackReply(status=200, text=recorded.outcome.answer, outcome=recorded.outcome.kind)
    if recorded.held is not None:
        return PostbackReply(status=200, text="ok", outcome="refused")  # else the network would send it again and again
    text = recorded.refused or ""
    if text == "unknown click":
        return PostbackReply(status=404, text=text, outcome="unknown-click")
    return PostbackReply(status=403, text=text, outcome="refused")


def _row_of(call: PostbackCall, at_ms: int, recorded: RecordedConversion) -> InboxRow:
    reply, outcome = _reply(recorded), recorded.outcome
    if outcome is not None:
        note = outcome.note
    elif recorded.held is not None:
        note = recorded.held
    else:
        note = _UNKNOWN_CLICK if reply.status == 404 else _REFUSED.get(reply.text, reply.text)
    row = _row(call, at_ms, reply, note=note)
    after = None if outcome is None else outcome.after
    if after is None:
        return row
    return replace(row, call=replace_struct(row.call, conversion_id=after.conversion_id, network=after.network))


def _row(call: PostbackCall, at_ms: int, reply: PostbackReply, *, note: str) -> InboxRow:
    params = {name: _MASK if name.lower() in _SECRETS else value for name, value in call.params.items()}
    if reply.status >= 400 and sum(map(len, params.values())) + sum(map(len, params)) > LARGEST_BYTES // 4:
        shorter = cut(params)
        note = note if shorter == params else f"{note} {_CUT}"
        params = shorter
    stored = Call(
        method=call.method,
        path=call.path,
        params=params,
        origin=call.origin,
        peer=None if call.peer_ip is None else truncate_ip(call.peer_ip),
        status=reply.status,
        answer=reply.text,
        note=f"{call.note} {note}".strip(),
    )
    return InboxRow(seq=-1, at_ms=at_ms, outcome=reply.outcome, click=None, call=stored)


def _call_of(call: Call) -> PostbackCall:
    return PostbackCall(method=call.method, path=call.path, params=call.params, peer_ip=None, origin=call.origin)
