"""What came in and went out, made of model objects, and a note of what the dashboard asked for."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from tnc.core.clock import DAY_MS, MINUTE_MS
from tnc.core.errors import InvalidError
from tnc.core.models import ConversionId, DeliveryState, Destination, DestinationId, NetworkId
from tnc.destinations.preview import DestinationTest
from tnc.destinations.worker import DestinationStatus
from tnc.store.days.deliveries import DeliveryRecord, DeliveryRow
from tnc.store.days.inbox import UNMATCHED, Call, CallOutcome, InboxRow

META = DestinationId("meta-main")
TAKEN = DestinationTest(event_id="cv_test1", outcome="done", status=200, error=None, answer="{}", note=None)


def invent_call(number: int, *, now_ms: int, outcome: CallOutcome = "new", note: str = "A new conversion.") -> InboxRow:
    refused = outcome in UNMATCHED
    call = Call(
        method="GET",
        path="/postback",
        params={"cid": f"click-{number}", "payout": "12.5", "key": "***"},
        peer="198.51.100.0/24",
        network=NetworkId("good-network"),
        status=404 if refused else 200,
        answer="unknown click" if refused else "ok",
        note=note,
    )
    return InboxRow(seq=number, at_ms=now_ms - number * MINUTE_MS, outcome=outcome, click=None, call=call)


def invent_delivery(
    number: int,
    *,
    now_ms: int,
    state: DeliveryState = "done",
    reason: str | None = None,
) -> DeliveryRow:
    made_ms = now_ms - number * MINUTE_MS
    return DeliveryRow(
        seq=number,
        click_seq=number,
        event_seq=number,
        first_seq=number,
        destination=META,
        kind="convert",
        state=state,
        attempts=1,
        created_at_ms=made_ms,
        next_at_ms=made_ms,
        expires_at_ms=made_ms + DAY_MS,
        done_at_ms=made_ms + 200,
        record=DeliveryRecord(
            conversion_id=ConversionId(f"conv-{number}"),
            reason=reason,
            status=400 if reason else 200,
            request='{"method": "POST"}' if reason else None,
            answer='{"events_received": 1}',
        ),
    )


@dataclass
class InventedMail:
    """`done` are the changes that were asked for, in order."""

    now_ms: int
    rows: list[InboxRow] = field(default_factory=list)
    sent: list[DeliveryRow] = field(default_factory=list)
    stands: dict[DestinationId, DestinationStatus] = field(default_factory=dict)
    tested: DestinationTest = TAKEN
    done: list[tuple[str, ...]] = field(default_factory=list)
    refusal: str | None = None

    def calls(self, *, outcomes: Collection[CallOutcome] | None, limit: int) -> Sequence[tuple[str, InboxRow]]:
        found = [row for row in self.rows if outcomes is None or row.outcome in outcomes]
        return [(f"20261123-{row.seq}", row) for row in found[:limit]]

    def hear_again(self, call: str | None) -> int:
        self.done.append(("hear", call or "all"))
        return 1 if call else len(self.rows)

    def statuses(self) -> Mapping[DestinationId, DestinationStatus]:
        return self.stands

    def counts(self) -> Mapping[tuple[DestinationId, DeliveryState], int]:
        return Counter((row.destination, row.state) for row in self.sent)

    def deliveries(
        self, destination: DestinationId, *, limit: int, state: DeliveryState | None = None
    ) -> Sequence[tuple[str, DeliveryRow]]:
        found = [row for row in self.sent if row.destination == destination and state in (None, row.state)]
        return [(f"20261123-{row.seq}", row) for row in found[:limit]]

    def answers(self, destination: DestinationId) -> Sequence[tuple[str, DeliveryRow]]:
        return [each for each in self.deliveries(destination, limit=10) if each[1].state != "queued"]

    def file_path(self, destination: Destination) -> str | None:
        return "/-/feed/secret.csv" if destination.type.endswith("csv") else None

    def replay(self, destination: DestinationId, delivery: str | None) -> int:
        self.done.append(("replay", destination, delivery or "dead"))
        return 1

    def resume(self, destination: DestinationId) -> None:
        self.done.append(("resume", destination))

    async def test(self, destination: Destination) -> DestinationTest:
        self.done.append(("test", destination.id))
        return self.tested

    def apply(self, text: str, *, by: str) -> int:
        if self.refusal is not None:
            raise InvalidError(self.refusal)
        self.done.append(("apply", text, by))
        return 4


def invent_mail(now_ms: int) -> InventedMail:
    """Something of everything."""
    return InventedMail(
        now_ms=now_ms,
        rows=[
            invent_call(1, now_ms=now_ms),
            invent_call(2, now_ms=now_ms, outcome="unknown-click", note="No click here has this id."),
            invent_call(3, now_ms=now_ms, outcome="duplicate", note="Known already."),
            invent_call(4, now_ms=now_ms, outcome="unmapped", note="No mapping knows this status."),
        ],
        sent=[
            invent_delivery(1, now_ms=now_ms),
            invent_delivery(2, now_ms=now_ms, state="dead", reason="meta-100/2804003"),
            invent_delivery(3, now_ms=now_ms, state="queued"),
        ],
        stands={META: DestinationStatus(state="stopped", waiting=3, reason="meta-190: put a new token")},
    )
