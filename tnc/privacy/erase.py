"""Erasure, restriction and objection.

Every erasure and restriction is written to a journal before it begins (`tnc.privacy.journal`) and consists of steps
that can be repeated. `resume` is called at every start before anything is served, so a crash loses none.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date as Date
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from tnc.core.clock import DAY_MS, new_id
from tnc.core.errors import InvalidError, NotFoundError, PartlyDoneError, RefusedError
from tnc.core.fields import rfc3339
from tnc.core.models import ClickId
from tnc.privacy import receipts
from tnc.privacy.byte_scan import Hit, Scanner
from tnc.privacy.journal import DayPart, Intent, Journal, Kind, VaultName
from tnc.privacy.receipts import what_is_wrong
from tnc.privacy.remainder import remainder
from tnc.privacy.search import SubjectData, add_postbacks, find_subject
from tnc.privacy.subject import Subject, is_stored_ip, is_text, personal_bytes
from tnc.privacy.vault import ClickAndEvents, ClickRecords, Vault, read_records
from tnc.reports.columns.day_folder import remove_day_folder
from tnc.store.days.files import Days, date_in_path
from tnc.store.days.schema import migrate, needs_migration
from tnc.store.days.transactions import Writer
from tnc.store.days.writer import DayWriter
from tnc.store.migrations import previous_files, remove_previous
from tnc.store.terms import days_of
from tnc.store.workspace import Workspace
from tnc.tracking.conversions.postback import click_named
from tnc.tracking.listener import NO_LISTENER, Listener

_T = TypeVar("_T")

STORES: Final = ("clicks", "lander clicks", "conversions", "deliveries", "postbacks", "restricted clicks")
PATIENCE_SECONDS: Final = 60.0


class Eraser:
    def __init__(self, workspace: Workspace, writer: Writer, listener: Listener = NO_LISTENER) -> None:
        self._workspace = workspace
        self._listener = listener
        self._running = threading.Lock()
        self._journal = Journal(workspace.keyring.intent_file(workspace.id))
        self.vaults: dict[VaultName, Vault] = {
            "days": Vault(
                folder=workspace.paths.days,
                keyring=workspace.keyring,
                workspace=workspace.id,
                exclusive=writer.exclusive,
            ),
            "restricted": Vault(
                folder=workspace.paths.restricted,
                keyring=workspace.restricted_keyring,
                workspace=workspace.id,
                exclusive=self._restricted_exclusive,
            ),
        }

    def _restricted_exclusive(self, work: Callable[[Days], _T]) -> _T:
        """Only this class writes there, one operation at a time."""
        days = Days(self._workspace.paths.restricted, self._workspace.restricted_keyring)
        try:
            return work(days)
        finally:
            days.close()

    def migrate_restricted(self) -> None:
        """Migrate the files of restricted clicks to the current format."""
        with self._running:
            vault = self.vaults["restricted"]
            for path in map(vault.path, vault.dates()):
                if needs_migration(path):
                    migrate(path)

    # -- the subject

    def subject(
        self,
        *,
        click: str | None = None,
        only: bool = False,
        ip: str | None = None,
        external_id: str | None = None,
        visitor: str | None = None,
        since_ms: int | None = None,
        until_ms: int | None = None,
    ) -> Subject:
        """Takes exactly one of click, ip, external_id and visitor. A click means its visitor, or only that click."""
        given = {"click": click, "ip": ip, "external-id": external_id, "visitor": visitor}
        present = [(kind, value) for kind, value in given.items() if value]
        if len(present) != 1:
            raise InvalidError("name them with exactly one of --click, --ip, --external-id and --visitor.")
        ((kind, value),) = present
        if not is_text(value):
            raise InvalidError(f"the value of --{kind} is not valid text.")
        if kind == "ip" and not is_stored_ip(value):
            raise InvalidError(
                f"{value!r} is no IP address; write one like 203.0.113.7, or a stored network like 203.0.113.0/24."
            )
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise InvalidError("--from must be before --to.")
        bounds = {name: at for name, at in (("since_ms", since_ms), ("until_ms", until_ms)) if at is not None}
        if kind == "click" and not only:
            visitor_of_click = self._visitor_of(ClickId(value))
            if visitor_of_click is not None:
                return Subject(kind="visitor", value=visitor_of_click, **bounds)
        return Subject(kind=kind, value=value, **bounds)  # type: ignore[arg-type]

    def _visitor_of(self, click_id: ClickId) -> str | None:
        for vault in self.vaults.values():
            for date in vault.dates():
                with vault.reader(date) as reader:
                    found = reader.find(click_id)
                if found is not None:
                    return found[1].visit.visitor
        return None

    def hashed(self, subject: Subject) -> str:
        """`kind:hash`, which names a subject in receipts and requests without personal data."""
        return f"{subject.kind}:{self._workspace.erasures.hash(subject.kind, subject.value).hex()}"

    # -- finding

    def find(self, subject: Subject) -> dict[str, Any]:
        """Number of records by store."""
        counts = find_subject(self.vaults, subject).counts
        return {
            "subject": self.hashed(subject),
            "stores": [{"store": store, "count": counts[store]} for store in STORES],
        }

    def count_visitors(self, subject: Subject) -> int:
        """Number of visitors of a subject: an IP address may have many."""
        found = find_subject(self.vaults, subject)
        return len(found.visitors) + any(click.visit.visitor is None for click in found.clicks)

    # -- erasing

    def erase(
        self,
        subject: Subject,
        *,
        request_id: str | None = None,
        actor: str = "owner",
        patience_seconds: float = PATIENCE_SECONDS,
    ) -> dict[str, Any]:
        """Erase the data of a subject and return the receipt. `actor` is who ordered it, in the steps of the request.

        Raises PartlyDoneError when a reader still has an older state of a file open; a job completes it. The request
        `request_id` is closed with it, unless its receivers must be informed first.
        """
        with self._running, self._journal.reporting_disk_errors():
            self._complete_begun(patience_seconds)
            found = find_subject(self.vaults, subject)
            intent = self._intent("erase", subject, found)
            if request_id is not None:
                self._workspace.register.start_execution(request_id, now_ms=intent.requested_at_ms, actor=actor).wait()
                intent.request_id = request_id
            self._journal.write(intent)
            receipt = self._carry_out(intent, patience_seconds)
        self._listener.erased(found.visitors)
        return receipt

    def _intent(self, kind: Kind, subject: Subject, found: SubjectData) -> Intent:
        erasures = self._workspace.erasures
        ids = {click.click_id for click in found.clicks} | ({subject.value} if subject.kind == "click" else set())
        tombstones = [erasures.hash("click", each) for each in sorted(ids)] if kind == "erase" and found.parts else []
        for part in found.parts:
            part.epoch_before = self.vaults[part.vault].epoch(Date.fromisoformat(part.date))
        return Intent(
            kind=kind,
            receipt_id=new_id(self._workspace.world.now_ms(), self._workspace.world.token(8)),
            subject=self.hashed(subject),
            cut=subject.kind == "ip",
            requested_at_ms=self._workspace.world.now_ms(),
            tombstones=tombstones,
            values=sorted({trace for click in found.clicks for trace in personal_bytes(click)})
            if kind == "erase"
            else [],
            before={store: found.counts[store] for store in STORES},
            sent=dict(found.sent),
            days=found.parts,
            ids=sorted(ids) if tombstones else [],
            words=sorted(found.identifying_texts) if tombstones else [],
        )

    def resume(self, *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
        """Complete an erasure or restriction that a crash cut off; returns whether there was one."""
        with self._running, self._journal.reporting_disk_errors():
            return self._complete_begun(patience_seconds)

    def complete(self) -> None:
        """As a job: complete what waits for a reader."""
        with suppress(PartlyDoneError):
            self.resume()

    def _complete_begun(self, patience_seconds: float) -> bool:
        intent = self._journal.read()
        if intent is not None:
            self._carry_out(intent, patience_seconds)
        return intent is not None

    def _carry_out(self, intent: Intent, patience_seconds: float) -> dict[str, Any]:
        remove_previous(previous_files(self._workspace.paths.control))
        if intent.kind == "erase":
            self._add_tombstones(intent)
            self._add_late_postbacks(intent)
        for part in intent.days:
            self._move_part(intent, part)
        self._listener.keys_renewed()
        for part in intent.days:
            if part.vault == "days":
                remove_day_folder(self._workspace.paths.columns / self._workspace.id, Date.fromisoformat(part.date))
        scanned = self._scan(intent, patience_seconds)
        result = self._result(intent, scanned)
        self._journal.clear()
        return result

    def _add_tombstones(self, intent: Intent) -> None:
        days = days_of("tombstones", self._workspace.settings)
        expires_at_ms = intent.requested_at_ms + days * DAY_MS
        self._workspace.erasures.add_tombstones(intent.tombstones, expires_at_ms=expires_at_ms).wait()

    def _add_late_postbacks(self, intent: Intent) -> None:
        """Include postbacks that came since the search. The tombstones keep out any later ones."""
        if intent.ids:
            days = self.vaults["days"]
            days.exclusive(lambda _days: None)  # waits for writes that began before the tombstones were stored
            add_postbacks(intent.days, "days", days, ids=intent.ids, texts=intent.words)
            self._journal.write(intent)

    def _still_exists(self, part: DayPart) -> bool:
        """Whether the day has not been removed by the retention since."""
        return Date.fromisoformat(part.date) in self.vaults[part.vault].dates()

    def _scan(self, intent: Intent, patience_seconds: float) -> dict[str, Any]:
        """Search all files for personal values, and overwrite what is left of them in the day files."""
        hits: list[Hit] = []
        scanners = [Scanner(intent.values)]
        seen: set[Path] = set()
        for part in filter(self._still_exists, intent.days):
            vault, date = self.vaults[part.vault], Date.fromisoformat(part.date)
            cleaned = vault.overwrite_remains(date, part, intent.values, patience_seconds=patience_seconds)
            hits += cleaned.hits
            scanners.append(cleaned.scanner)
            seen.update(vault.files(date))
        hits += scanners[0].scan(self._other_files(intent, seen)) if intent.values else []
        return {
            "files": sum(scanner.files for scanner in scanners),
            "bytes": sum(scanner.bytes for scanner in scanners),
            "found_in": sorted({str(hit.path.relative_to(self._workspace.paths.data)) for hit in hits}),
        }

    def _move_part(self, intent: Intent, part: DayPart) -> None:
        """Remove the clicks of a part from their day, after what stays of them was stored."""
        if part.done or not self._still_exists(part):
            return
        date = Date.fromisoformat(part.date)
        source = self.vaults[part.vault]
        other: VaultName = "restricted" if part.vault == "days" else "days"
        if intent.kind != "erase" or part.vault == "restricted":
            self._copy_part(intent, part, other)
        leaves_remainder = intent.kind == "erase" and part.vault == "days"
        source.remove_clicks(
            date,
            part,
            replacement=lambda histories: self._remainders(intent, histories) if leaves_remainder else [],
            save_part=lambda: self._journal.write(intent),
        )
        part.done, part.epoch_after = True, source.epoch(date)
        self._journal.write(intent)

    def _copy_part(self, intent: Intent, part: DayPart, to: VaultName) -> None:
        """Copy a part, or its remainder after an erasure, into the other vault; not into a day that was removed."""
        date = Date.fromisoformat(part.date)
        if to == "days" and date not in self.vaults["days"].dates():
            return
        with self.vaults[part.vault].reader(date) as reader:
            records = list(read_records(reader, part.clicks, now_ms=self._workspace.world.now_ms()))
            calls = [row for seq in part.calls if (row := reader.inbox.find(seq))]
        if intent.kind != "erase":
            self.vaults[to].insert(date, records, [(click_named(row.call.params), row) for row in calls])
            return
        left = self._remainders(intent, [(each.click, [event for _, event in each.events]) for each in records])
        self.vaults[to].insert(
            date, [ClickRecords(click=click, events=list(enumerate(events)), deliveries=()) for click, events in left]
        )

    def _remainders(self, intent: Intent, histories: Sequence[ClickAndEvents]) -> list[ClickAndEvents]:
        """What stays of clicks for totals. New ids are keyed hashes of the old ones, the same again after a crash."""
        erasures = self._workspace.erasures
        return [
            remainder(
                click,
                events,
                ClickId(erasures.hash("rest", f"{intent.receipt_id}|{click.click_id}").hex()),
            )
            for click, events in histories
        ]

    def _other_files(self, intent: Intent, seen: set[Path]) -> Iterator[Path]:
        """All files of the data directory except those of the owner and of days in which nothing was found."""
        paths = self._workspace.paths
        dates = {part.date for part in intent.days}
        for path in paths.files():
            date = date_in_path(path.relative_to(paths.data))
            if path not in seen and (date is None or date in dates):
                yield path

    # -- the receipt

    def _result(self, intent: Intent, scanned: dict[str, Any]) -> dict[str, Any]:
        after = self._count_left(intent)
        stores = [{"store": store, "before": intent.before[store], "after": after[store]} for store in STORES]
        if intent.kind != "erase":
            return {"subject": intent.subject, "kind": intent.kind, "stores": stores}
        workspace, now_ms = self._workspace, self._workspace.world.now_ms()
        keyring = receipts.keyring_of(
            intent,
            workspace.id,
            key_epoch=workspace.keyring.key_epoch(),
            escrow=workspace.erasures.latest_escrow().wait(),
        )
        receipt = receipts.signed(
            {
                "receipt_id": intent.receipt_id,
                "subject": intent.subject,
                "requested_at": rfc3339(intent.requested_at_ms),
                "completed_at": rfc3339(now_ms),
                "stores": stores,
                "backups": receipts.BACKUPS,
                "keys": receipts.keys_of(intent),
                "keyring": keyring,
                "scan": scanned,
                "limits": receipts.limits(intent, workspace.configuration()[1], keyring),
            },
            workspace.keys.receipt_key,
        )
        workspace.erasures.keep_receipt(receipt, made_at_ms=now_ms).wait()
        if intent.request_id is not None:
            workspace.register.record_execution(
                intent.request_id, receipt_id=intent.receipt_id, sent=intent.sent, now_ms=now_ms
            ).wait()
        return receipt

    def _count_left(self, intent: Intent) -> Counter[str]:
        left: Counter[str] = Counter()
        for part in intent.days:
            with suppress(NotFoundError), self.vaults[part.vault].reader(Date.fromisoformat(part.date)) as reader:
                counts = reader.search.counts(part.clicks, part.calls)
                if part.vault == "restricted":
                    counts["restricted clicks"] = counts.pop("clicks")
                left += counts
        return left

    def verify(self, receipt: Mapping[str, Any]) -> list[str]:
        """What in a receipt is not true any more; empty when all is."""
        return what_is_wrong(receipt, self._workspace.public_key, self.vaults)

    # -- restriction and objection

    def restrict(self, subject: Subject) -> dict[str, Any]:
        """Keep clicks out of reports, exports and deliveries, beyond their retention, until it is lifted."""
        return self._move_between("restrict", subject, "days")

    def unrestrict(self, subject: Subject) -> dict[str, Any]:
        """Put restricted clicks back; those whose retention has ended meanwhile are erased."""
        return self._move_between("unrestrict", subject, "restricted")

    def _move_between(
        self, kind: Literal["restrict", "unrestrict"], subject: Subject, source: VaultName
    ) -> dict[str, Any]:
        with self._running, self._journal.reporting_disk_errors():
            self._complete_begun(PATIENCE_SECONDS)
            intent = self._intent(kind, subject, find_subject(self.vaults, subject, (source,)))
            self._journal.write(intent)
            return self._carry_out(intent, PATIENCE_SECONDS)

    def object(self, subject: Subject) -> dict[str, Any]:
        """Store an objection: later visits are not recorded, and waiting deliveries are cancelled.

        For a subject of kind "browser", whose opt-out cookie does the former, only the latter.

        Raises RefusedError when nothing is stored by which the visitor could be recognized.
        """
        result = _store_objection(self._workspace, self.vaults, subject, self._listener)
        return {"subject": self.hashed(subject), **result}


def _store_objection(
    workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject, listener: Listener
) -> dict[str, Any]:
    """Raises RefusedError when nothing is stored by which the visitor could be recognized."""
    now_ms, found = workspace.world.now_ms(), find_subject(vaults, subject)
    if subject.kind == "ip":
        kind, values, term = "address", frozenset(subject.values(exact_only=True)), "objections by address"
    elif subject.kind == "browser":
        kind, values, term = "browser", frozenset([subject.value] if found.clicks else []), "objections"
    else:
        kind, values, term = "visitor", found.visitors, "objections"
        values |= {subject.value} if subject.kind == "visitor" else set()
    if not values:
        raise RefusedError(
            "nothing is stored by which this visitor could be recognized, so their objection cannot be stored; "
            "they can opt out themselves on the page /privacy of any tracking domain."
        )
    days = days_of(term, workspace.settings)
    workspace.erasures.object(kind, values, now_ms=now_ms, expires_at_ms=now_ms + days * DAY_MS).wait()
    listener.objected()
    cancelled = sum(_cancel(workspace, vaults["days"], part, now_ms) for part in found.parts if part.vault == "days")
    return {"objections": len(values), "until": rfc3339(now_ms + days * DAY_MS), "called_back": cancelled}


def _cancel(workspace: Workspace, vault: Vault, part: DayPart, now_ms: int) -> int:
    """Cancel the waiting deliveries of these clicks; returns how many."""

    def cancel(writer: DayWriter) -> int:
        return sum(writer.deliveries.cancel(seq, reason="consent-denied", now_ms=now_ms) for seq in part.clicks)

    day = workspace.id, Date.fromisoformat(part.date)
    return vault.exclusive(lambda days: days.transact(day, cancel))
