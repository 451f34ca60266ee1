"""The register of privacy requests: their kind, due date, state and steps.

What a person wrote and their contact are sealed; the steps contain no personal data.
"""

import asyncio
import calendar
import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import groupby
from operator import itemgetter
from typing import Any, Final, Literal, get_args

import msgspec
from aiosqlite import Connection
from msgspec import Struct

from tnc.core import crypto
from tnc.core.clock import DAY_MS
from tnc.core.errors import InvalidError, NotFoundError
from tnc.core.models import WorkspaceId
from tnc.store.sqlite import Database, operation

_MAX_EXTENSION_MONTHS: Final = 2


def due_ms(received_at_ms: int) -> int:
    """30 days or one calendar month, whichever is first: GDPR 12(3), and the shorter month of February."""
    received = datetime.fromtimestamp(received_at_ms / 1000, UTC)
    return _ms(min(received + timedelta(days=30), months_later(received, 1)))


def months_later(moment: datetime, months: int) -> datetime:
    """The same day of a later month, or its last one."""
    year, month = divmod(moment.year * 12 + moment.month - 1 + months, 12)
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return moment.replace(year=year, month=month + 1, day=day)


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def max_due_ms(received_at_ms: int) -> int:
    """The latest due date: `due_ms` and two further months, which GDPR 12(3) allows for a reason."""
    due = datetime.fromtimestamp(due_ms(received_at_ms) / 1000, UTC)
    return _ms(months_later(due, _MAX_EXTENSION_MONTHS))


RequestKind = Literal["access", "erasure", "restriction", "objection", "rectification", "withdrawal", "question"]
Channel = Literal["page", "command line", "email", "letter", "api"]
State = Literal[
    "received", "acknowledged", "needs_identity", "identity_failed", "verified", "review", "approved", "executing",
    "awaiting_downstream", "fulfilled", "partly_fulfilled", "denied", "withdrawn", "expired_unverified",
]  # fmt: skip

ReceiverOutcome = Literal["deleted", "retracted", "limited", "letter", "impossible"]
"""What a receiver of the person's data did about the request, or how the owner dealt with the receiver."""

ENDED: Final[frozenset[State]] = frozenset(
    {"fulfilled", "partly_fulfilled", "denied", "withdrawn", "expired_unverified"}
)
# The states that can follow each state, besides `withdrawn`.
_FOLLOWS: Final[dict[State, tuple[State, ...]]] = {
    "received": ("acknowledged", "needs_identity", "verified", "approved", "fulfilled", "denied"),
    "acknowledged": ("needs_identity", "verified", "review", "approved", "fulfilled", "denied"),
    "needs_identity": ("identity_failed", "verified", "expired_unverified", "denied"),
    "identity_failed": ("needs_identity", "denied", "expired_unverified"),
    "verified": ("review", "approved", "executing", "fulfilled", "denied"),
    "review": ("approved", "denied", "needs_identity"),
    "approved": ("executing", "fulfilled", "partly_fulfilled"),
    "executing": ("awaiting_downstream", "fulfilled", "partly_fulfilled"),
    "awaiting_downstream": ("fulfilled", "partly_fulfilled"),
}
_NEEDS_REASON: Final = frozenset({"denied", "partly_fulfilled", "identity_failed"})
REMIND_DAYS: Final = (20, 10, 5, 2)  # before it is due: days 10, 20, 25 and 28 of 30

REQUEST_TABLES: Final[tuple[str, ...]] = (
    """
    create table requests (
      request_id     text primary key,
      workspace      text not null,
      kind           text not null,
      channel        text not null,
      state          text not null,
      received_at_ms integer not null,
      due_at_ms      integer not null,
      extended       integer not null,  -- 1: the person was informed of the reason for the delay
      closed_at_ms   integer,
      subject        text,              -- keyed hash of the person, where they are known
      evidence       text,              -- how the person proved their identity, never the proof itself
      receipt_id     text,
      duplicate_of   text,
      link_hash      blob,              -- SHA-256 of the secret in the status link
      sealed         blob not null      -- what the person wrote, their contact, and the answer
    ) strict, without rowid
    """,
    """
    create table request_steps (
      request_id text not null references requests (request_id) on delete cascade,
      number     integer not null,
      at_ms      integer not null,
      actor      text not null,         -- person, owner, tnc
      state      text not null,
      reason     text not null,
      primary key (request_id, number)
    ) strict, without rowid
    """,
)


class Receiver(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A receiver of conversions of the person, and its outcome. `reports` is how many it was sent."""

    reports: int
    outcome: ReceiverOutcome | None = None
    at_ms: int = 0


class RequestContent(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The sealed part. `click` is the click id that the person gave as evidence; deleted when the request ends.

    `receivers` are those who were sent conversions of the person, by name.
    """

    text: str = ""
    contact: str = ""
    answer: str = ""
    click: str = ""
    receivers: dict[str, Receiver] = {}


NO_CONTENT: Final = RequestContent()


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    at_ms: int
    actor: str
    state: State
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    request_id: str
    kind: RequestKind
    channel: Channel
    state: State
    received_at_ms: int
    due_at_ms: int
    extended: bool
    closed_at_ms: int | None
    subject: str | None
    evidence: str | None
    receipt_id: str | None
    duplicate_of: str | None
    content: RequestContent
    steps: tuple[Step, ...]

    @property
    def unresolved(self) -> list[str]:
        """Receivers without an outcome, or where none is possible: with them a request cannot be `fulfilled`."""
        return [name for name, its in self.content.receivers.items() if its.outcome in (None, "impossible")]

    @property
    def is_open(self) -> bool:
        return self.state not in ENDED

    def days_left(self, now_ms: int) -> int:
        """Whole days until it is due; negative when it is overdue."""
        return (self.due_at_ms - now_ms) // DAY_MS


def following(state: State) -> tuple[State, ...]:
    """The states that can follow a state."""
    if state in ENDED:
        return ()
    return (*_FOLLOWS.get(state, ()), "withdrawn")


class RequestRegister:
    """The requests of one workspace."""

    def __init__(self, database: Database, workspace: WorkspaceId, control_key: bytes) -> None:
        self.database = database
        self._workspace = workspace
        self._key = control_key

    def _place(self, request_id: str) -> bytes:
        return f"tnc request 1|{self._workspace}|{request_id}".encode()

    # -- new requests

    @operation
    async def open(
        self,
        request_id: str,
        kind: RequestKind,
        *,
        channel: Channel,
        now_ms: int,
        content: RequestContent = NO_CONTENT,
        subject: str | None = None,
        evidence: str | None = None,
        link: str | None = None,
    ) -> Request:
        """Add a request. An open one of the same kind by the same subject becomes its `duplicate_of`."""
        if kind not in get_args(RequestKind):
            raise InvalidError(f"there is no request {kind!r}; there are {', '.join(get_args(RequestKind))}.")
        sealed = crypto.seal(self._key, msgspec.json.encode(content), self._place(request_id))
        link_hash = None if link is None else sha256(link.encode()).digest()
        async with self.database.transaction() as writer:
            open_ones = await writer.execute_fetchall(
                f"select request_id from requests where workspace = ? and kind = ? and subject = ?"
                f" and state not in ({_MARKS}) order by received_at_ms limit 1",
                (self._workspace, kind, subject, *sorted(ENDED)),
            )
            duplicate_of = next((request_id for (request_id,) in open_ones), None)
            await writer.execute(
                "insert into requests values (?, ?, ?, ?, 'received', ?, ?, 0, null, ?, ?, null, ?, ?, ?)",
                (request_id, self._workspace, kind, channel, now_ms, due_ms(now_ms), subject, evidence,
                 duplicate_of, link_hash, sealed),
            )  # fmt: skip
            await _add_step(writer, request_id, Step(at_ms=now_ms, actor="person", state="received", reason=""))
        return await self.get(request_id)

    # -- changes

    @operation
    async def move(
        self,
        request_id: str,
        state: State,
        *,
        now_ms: int,
        actor: str = "owner",
        reason: str = "",
        answer: str = "",
        receipt_id: str | None = None,
        evidence: str | None = None,
    ) -> Request:
        """Change the state. Raises NotFoundError, and InvalidError for a state that cannot follow or lacks a reason."""
        request = await self.get(request_id)
        possible = following(request.state)
        if state not in possible:
            after = ", ".join(possible) or "nothing: it is closed"
            raise InvalidError(f"a request that is {request.state} cannot become {state}; what can follow is {after}.")
        if state in _NEEDS_REASON and not reason:
            raise InvalidError(f"say why it becomes {state}: give a reason.")
        if state == "fulfilled" and request.unresolved:
            raise InvalidError(
                f"{', '.join(request.unresolved)} received conversions of this person: record the outcome there with "
                "`tnc privacy request told`, or close the request as partly_fulfilled with a reason."
            )
        content = msgspec.structs.replace(
            request.content,
            answer=answer or request.content.answer,
            click="" if state in ENDED else request.content.click,
        )
        async with self.database.transaction() as writer:
            await writer.execute(
                "update requests set state = ?, closed_at_ms = ?, receipt_id = coalesce(?, receipt_id),"
                " evidence = coalesce(?, evidence) where request_id = ?",
                (state, now_ms if state in ENDED else None, receipt_id, evidence, request_id),
            )
            if content != request.content:
                await self._seal(writer, request_id, content)
            await _add_step(writer, request_id, Step(at_ms=now_ms, actor=actor, state=state, reason=reason))
        return await self.get(request_id)

    async def _seal(self, writer: Connection, request_id: str, content: RequestContent) -> None:
        sealed = crypto.seal(self._key, msgspec.json.encode(content), self._place(request_id))
        await writer.execute("update requests set sealed = ? where request_id = ?", (sealed, request_id))

    @operation
    async def start_execution(self, request_id: str, *, now_ms: int, actor: str) -> None:
        """Move to `executing`, over `approved` where needed. Raises NotFoundError, InvalidError."""
        state = (await self.get(request_id)).state
        if state not in ("executing", "approved", "verified"):
            await self.move(request_id, "approved", now_ms=now_ms, actor=actor)
        if state != "executing":
            await self.move(request_id, "executing", now_ms=now_ms, actor=actor)

    @operation
    async def record_execution(self, request_id: str, *, receipt_id: str, sent: Mapping[str, int], now_ms: int) -> None:
        """Store the receipt and the receivers (`sent`: conversions by name); does nothing a second time."""
        with suppress(NotFoundError):
            if (await self.get(request_id)).state == "executing":
                await self._name_receivers(request_id, sent)
                after: State = "awaiting_downstream" if (await self.get(request_id)).unresolved else "fulfilled"
                await self.move(request_id, after, now_ms=now_ms, actor="tnc", receipt_id=receipt_id)

    async def _name_receivers(self, request_id: str, reports: Mapping[str, int]) -> None:
        """Store the receivers of conversions of the person; `reports` is how many each was sent."""
        request = await self.get(request_id)
        receivers = {name: Receiver(reports=count) for name, count in sorted(reports.items())}
        async with self.database.transaction() as writer:
            await self._seal(
                writer,
                request_id,
                msgspec.structs.replace(
                    request.content, click="", receivers={**receivers, **request.content.receivers}
                ),
            )

    @operation
    async def record_outcome(self, request_id: str, receiver: str, outcome: ReceiverOutcome, *, now_ms: int) -> Request:
        """Record the outcome at a receiver. Raises NotFoundError, InvalidError."""
        request = await self.get(request_id)
        if receiver not in request.content.receivers:
            known = ", ".join(request.content.receivers) or "none"
            raise NotFoundError(f"{receiver!r} received no conversions of this person; receivers are: {known}.")
        if outcome not in get_args(ReceiverOutcome):
            raise InvalidError(f"there is no outcome {outcome!r}; outcomes are {', '.join(get_args(ReceiverOutcome))}.")
        if not request.is_open:
            raise InvalidError("this request is closed.")
        its = msgspec.structs.replace(request.content.receivers[receiver], outcome=outcome, at_ms=now_ms)
        content = msgspec.structs.replace(request.content, receivers={**request.content.receivers, receiver: its})
        async with self.database.transaction() as writer:
            await self._seal(writer, request_id, content)
            await _add_step(
                writer,
                request_id,
                Step(at_ms=now_ms, actor="owner", state=request.state, reason=f"{receiver}: {outcome}"),
            )
        return await self.get(request_id)

    @operation
    async def extend(self, request_id: str, *, until_ms: int, reason: str, now_ms: int) -> Request:
        """Move the due date by up to two months. The person must be informed of the reason before it is due."""
        request = await self.get(request_id)
        latest_ms = max_due_ms(request.received_at_ms)
        if not request.is_open or now_ms >= due_ms(request.received_at_ms):
            raise InvalidError("it is too late to extend this request: that is possible only before it is due.")
        if not reason:
            raise InvalidError("give the reason for the delay: the person must be informed of it.")
        if not request.due_at_ms <= until_ms <= latest_ms:
            due, latest = (datetime.fromtimestamp(at_ms / 1000, UTC).date() for at_ms in (request.due_at_ms, latest_ms))
            raise InvalidError(f"it is due on {due} and can be extended to {latest} at the latest: two further months.")
        async with self.database.transaction() as writer:
            await writer.execute(
                "update requests set due_at_ms = ?, extended = 1 where request_id = ?", (until_ms, request_id)
            )
            await _add_step(
                writer, request_id, Step(at_ms=now_ms, actor="owner", state=request.state, reason=f"extended: {reason}")
            )
        return await self.get(request_id)

    # -- reading

    @operation
    async def get(self, request_id: str) -> Request:
        """Raises NotFoundError."""
        found = await self._select("and request_id = ?", request_id)
        if not found:
            raise NotFoundError(f"there is no request {request_id!r}; `tnc privacy requests` lists them.")
        return found[0]

    @operation
    async def by_link(self, link: str) -> Request | None:
        """The request of a secret status link."""
        found = await self._select("and link_hash = ?", sha256(link.encode()).digest())
        return found[0] if found else None

    @operation
    async def all_of(self, *, only_open: bool = False) -> list[Request]:
        """Open ones first, by due date."""
        return await (self._select(_OPEN, *ENDED) if only_open else self._select(""))

    @operation
    async def of_subjects(self, subjects: Collection[str]) -> list[Request]:
        """The requests of any of these subjects, in the form `kind:hash`."""
        return await self._select("and subject in (select value from json_each(?))", json.dumps(sorted(subjects)))

    @operation
    async def open_due_dates_ms(self) -> tuple[int, ...]:
        """The due date of each open request, without decrypting it."""
        rows = await self.database.fetch_all(
            f"select due_at_ms from requests where workspace = ? {_OPEN}", (self._workspace, *ENDED)
        )
        return tuple(due_ms for (due_ms,) in rows)

    async def _select(self, condition: str, *values: Any) -> list[Request]:
        rows = await self.database.fetch_all(_SELECT.format(condition), (self._workspace, *values))
        # In a thread: decrypting a thousand takes 20 ms, and clicks would wait for that on the loop.
        return await asyncio.to_thread(self._read, rows)

    def _read(self, rows: Sequence[Sequence[Any]]) -> list[Request]:
        """Requests from rows of `_SELECT`, of which each request has one per step."""
        found = []
        for request_id, of_one in groupby(rows, key=itemgetter(0)):
            steps = list(of_one)
            *plain, extended, sealed, _, _, _, _ = steps[0]
            found.append(
                Request(
                    **dict(zip(_PLAIN, plain, strict=True)),
                    extended=bool(extended),
                    content=self._content(request_id, sealed),
                    steps=tuple(
                        Step(at_ms=at, actor=actor, state=state, reason=reason)
                        for *_, at, actor, state, reason in steps
                        if at is not None
                    ),
                )
            )
        return found

    def _content(self, request_id: str, sealed: bytes) -> RequestContent:
        return msgspec.json.decode(crypto.unseal(self._key, sealed, self._place(request_id)), type=RequestContent)

    @operation
    async def count_closed_before(self, requests_ms: int, questions_ms: int) -> int:
        (count,) = await self.database.fetch_one(
            f"select count(*) from requests {_CLOSED}", (self._workspace, questions_ms, requests_ms)
        )
        return int(count)

    @operation
    async def drop_closed_before(self, requests_ms: int, questions_ms: int) -> None:
        """Delete closed requests; questions have a term of their own."""
        await self.database.write(f"delete from requests {_CLOSED}", (self._workspace, questions_ms, requests_ms))


async def _add_step(writer: Connection, request_id: str, step: Step) -> None:
    await writer.execute(
        "insert into request_steps select ?, coalesce(max(number), 0) + 1, ?, ?, ?, ? from request_steps"
        " where request_id = ?",
        (request_id, step.at_ms, step.actor, step.state, step.reason, request_id),
    )


_CLOSED: Final = "where workspace = ? and closed_at_ms < case kind when 'question' then ? else ? end"
_MARKS: Final = ", ".join("?" * len(ENDED))
_OPEN: Final = f"and state not in ({_MARKS})"
_PLAIN: Final = (
    "request_id", "kind", "channel", "state", "received_at_ms", "due_at_ms", "closed_at_ms", "subject", "evidence",
    "receipt_id", "duplicate_of",
)  # fmt: skip
_SELECT: Final = f"""
select {", ".join(f"found.{name}" for name in _PLAIN)}, found.extended, found.sealed,
  step.at_ms, step.actor, step.state, step.reason
from (select * from requests where workspace = ? {{}}) as found
left join request_steps as step on step.request_id = found.request_id
order by found.closed_at_ms is not null, found.due_at_ms, found.request_id, step.number
"""
