"""Erasure, restriction, objection: what the house does when a person asks for it.

Every change is written down before it begins (`tnc.privacy.journal`) and done in steps that can be done again,
so a promise survives a crash: `resume` is called at every start, before anything is served.
"""

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import date as Date
from pathlib import Path
from typing import Any, Final, Literal, TypeVar

from tnc.core.clock import DAY_MS, new_id
from tnc.core.errors import InvalidError, NotFoundError, PartlyDoneError
from tnc.core.fields import rfc3339
from tnc.core.models import ClickId
from tnc.privacy import receipts
from tnc.privacy.byte_scan import Hit, Scanner
from tnc.privacy.journal import DayPart, Intent, Journal, Kind, VaultName
from tnc.privacy.objections import keep_objection
from tnc.privacy.receipts import what_is_wrong
from tnc.privacy.remainder import remainder
from tnc.privacy.search import SubjectData, add_postbacks, find_subject
from tnc.privacy.subject import Subject, is_stored_ip, is_text, personal_bytes
from tnc.privacy.vault import ClickAndEvents, ClickRecords, Vault, read_records
from tnc.reports.columns.day_folder import remove_day_folder
from tnc.store.days.files import Days, date_in_path
from tnc.store.days.schema import migrate, needs_migration
from tnc.store.days.transactions import Writer
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
        self._turn = threading.Lock()
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
        """Nobody but us writes there, and never two at once."""
        days = Days(self._workspace.paths.restricted, self._workspace.restricted_keyring)
        try:
            return work(days)
        finally:
            days.close()

    def migrate_restricted(self) -> None:
        """Migrate the files of restricted clicks to the current format."""
        with self._turn:
            vault = self.vaults["restricted"]
            for path in map(vault.path, vault.dates()):
                if needs_migration(path):
                    migrate(path)

    # -- who is meant

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
        """Exactly one of them. A click stands for the visitor who made it, unless `only` it is meant."""
        given = {"click": click, "ip": ip, "external-id": external_id, "visitor": visitor}
        named = [(kind, value) for kind, value in given.items() if value]
        if len(named) != 1:
            raise InvalidError("say who is meant with exactly one of --click, --ip, --external-id and --visitor.")
        ((kind, value),) = named
        if not is_text(value):
            raise InvalidError(f"what was given as --{kind} is no text.")
        if kind == "ip" and not is_stored_ip(value):
            raise InvalidError(
                f"{value!r} is no address; write one like 203.0.113.7, or a network as it is kept, like 203.0.113.0/24."
            )
        if since_ms is not None and until_ms is not None and since_ms >= until_ms:
            raise InvalidError("--from must be before --to.")
        bounds = {name: at for name, at in (("since_ms", since_ms), ("until_ms", until_ms)) if at is not None}
        if kind == "click" and not only:
            its_visitor = self._visitor_of(ClickId(value))
            if its_visitor is not None:
                return Subject(kind="visitor", value=its_visitor, **bounds)
        return Subject(kind=kind, value=value, **bounds)  # type: ignore[arg-type]

    def _visitor_of(self, click_id: ClickId) -> str | None:
        for vault in self.vaults.values():
            for date in vault.dates():
                with vault.reader(date) as reader:
                    found = reader.find(click_id)
                if found is not None:
                    return found[1].visit.visitor
        return None

    def told(self, subject: Subject) -> str:
        """The subject without a word about the person."""
        return f"{subject.kind}:{self._workspace.erasures.hash(subject.kind, subject.value).hex()}"

    # -- looking

    def find(self, subject: Subject) -> dict[str, Any]:
        """How much there is, by store."""
        counts = find_subject(self.vaults, subject).counts
        return {
            "subject": self.told(subject),
            "stores": [{"store": store, "count": counts[store]} for store in STORES],
        }

    def count_visitors(self, subject: Subject) -> int:
        """How many visitors are meant: of an address it may be many."""
        found = find_subject(self.vaults, subject)
        return len(found.visitors) + any(click.visit.visitor is None for click in found.clicks)

    # -- erasing

    def erase(
        self, subject: Subject, *, request_id: str | None = None, patience_seconds: float = PATIENCE_SECONDS
    ) -> dict[str, Any]:
        """Erase, and give the receipt. Raises PartlyDoneError when a reader keeps the bytes; it is done later.

        A request of the register goes along, and ends with it unless somebody else had been told before.
        """
        with self._turn, self._journal.reporting_disk_errors():
            self._finish_what_was_begun(patience_seconds)
            found = find_subject(self.vaults, subject)
            intent = self._intent("erase", subject, found)
            if request_id is not None:
                self._workspace.register.grant(request_id, now_ms=intent.requested_at_ms).wait()
                intent.request_id = request_id
            self._journal.write(intent)
            receipt = self._carry_out(intent, patience_seconds)
        self._listener.erased(found.visitors)
        return receipt

    def _intent(self, kind: Kind, subject: Subject, found: SubjectData) -> Intent:
        erasures = self._workspace.erasures
        ids = {click.click_id for click in found.clicks} | ({subject.value} if subject.kind == "click" else set())
        buried = [erasures.hash("click", each) for each in sorted(ids)] if kind == "erase" and found.parts else []
        for part in found.parts:
            part.epoch_before = self.vaults[part.vault].epoch(Date.fromisoformat(part.date))
        return Intent(
            kind=kind,
            receipt_id=new_id(self._workspace.world.now_ms(), self._workspace.world.token(8)),
            subject=self.told(subject),
            cut=subject.kind == "ip",
            requested_at_ms=self._workspace.world.now_ms(),
            tombstones=buried,
            values=sorted({trace for click in found.clicks for trace in personal_bytes(click)})
            if kind == "erase"
            else [],
            before={store: found.counts[store] for store in STORES},
            sent=dict(found.sent),
            days=found.parts,
            ids=sorted(ids) if buried else [],
            words=sorted(found.identifying_texts) if buried else [],
        )

    def resume(self, *, patience_seconds: float = PATIENCE_SECONDS) -> bool:
        """Complete what was begun before a crash; whether there was something."""
        with self._turn, self._journal.reporting_disk_errors():
            return self._finish_what_was_begun(patience_seconds)

    def complete(self) -> None:
        """Go on with what waits for a reader."""
        with suppress(PartlyDoneError):
            self.resume()

    def _finish_what_was_begun(self, patience_seconds: float) -> bool:
        intent = self._journal.read()
        if intent is not None:
            self._carry_out(intent, patience_seconds)
        return intent is not None

    def _carry_out(self, intent: Intent, patience_seconds: float) -> dict[str, Any]:
        remove_previous(previous_files(self._workspace.paths.control))
        if intent.kind == "erase":
            self._bury(intent)
            self._take_in_calls(intent)
        for part in intent.days:
            self._move(intent, part)
        self._listener.keys_renewed()
        for part in intent.days:
            if part.vault == "days":
                remove_day_folder(self._workspace.paths.columns / self._workspace.id, Date.fromisoformat(part.date))
        scanned = self._scan(intent, patience_seconds)
        done = self._conclude(intent, scanned)
        self._journal.clear()
        return done

    def _bury(self, intent: Intent) -> None:
        days = days_of("tombstones", self._workspace.settings)
        expires_at_ms = intent.requested_at_ms + days * DAY_MS
        self._workspace.erasures.add_tombstones(intent.tombstones, expires_at_ms=expires_at_ms).wait()

    def _take_in_calls(self, intent: Intent) -> None:
        """Postbacks that came since it was looked for them. No more of them come: the clicks are buried."""
        if intent.ids:
            days = self.vaults["days"]
            days.exclusive(lambda _days: None)  # after it, what was being written when they were buried can be read
            add_postbacks(intent.days, "days", days, ids=intent.ids, texts=intent.words)
            self._journal.write(intent)

    def _is_there(self, part: DayPart) -> bool:
        """A day may have gone by its term since."""
        return Date.fromisoformat(part.date) in self.vaults[part.vault].dates()

    def _scan(self, intent: Intent, patience_seconds: float) -> dict[str, Any]:
        """Look through everything for the person's words, and overwrite what is left in the day files."""
        hits: list[Hit] = []
        scanners = [Scanner(intent.values)]
        seen: set[Path] = set()
        for part in filter(self._is_there, intent.days):
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

    def _move(self, intent: Intent, part: DayPart) -> None:
        """Take a part out of its day, after what stays of it was put where it belongs."""
        if part.done or not self._is_there(part):
            return
        date = Date.fromisoformat(part.date)
        source = self.vaults[part.vault]
        beside: VaultName = "restricted" if part.vault == "days" else "days"
        if intent.kind != "erase" or part.vault == "restricted":
            self._put_beside(intent, part, beside)
        stays = intent.kind == "erase" and part.vault == "days"
        source.remove_clicks(
            date,
            part,
            replacement=lambda histories: self._remainders(intent, histories) if stays else [],
            save_part=lambda: self._journal.write(intent),
        )
        part.done, part.epoch_after = True, source.epoch(date)
        self._journal.write(intent)

    def _put_beside(self, intent: Intent, part: DayPart, beside: VaultName) -> None:
        """Copy a part into the other vault; into a day that has gone by its term nothing goes back."""
        date = Date.fromisoformat(part.date)
        if beside == "days" and date not in self.vaults["days"].dates():
            return
        with self.vaults[part.vault].reader(date) as reader:
            wholes = list(read_records(reader, part.clicks, now_ms=self._workspace.world.now_ms()))
            calls = [row for seq in part.calls if (row := reader.inbox.find(seq))]
        if intent.kind != "erase":
            self.vaults[beside].insert(date, wholes, [(click_named(row.call.params), row) for row in calls])
            return
        left = self._remainders(intent, [(each.click, [event for _, event in each.events]) for each in wholes])
        self.vaults[beside].insert(
            date, [ClickRecords(click=click, events=list(enumerate(events)), deliveries=()) for click, events in left]
        )

    def _remainders(self, intent: Intent, histories: Sequence[ClickAndEvents]) -> list[ClickAndEvents]:
        """Their ids are made from ours under the workspace's key: the same again after a crash, and nobody's."""
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
        """Every file of the data directory but the owner's own words and days in which there was nothing."""
        paths = self._workspace.paths
        dates = {part.date for part in intent.days}
        for path in paths.files():
            date = date_in_path(path.relative_to(paths.data))
            if path not in seen and (date is None or date in dates):
                yield path

    # -- what is said of it

    def _conclude(self, intent: Intent, scanned: dict[str, Any]) -> dict[str, Any]:
        after = self._left_of(intent)
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
            workspace.register.executed(
                intent.request_id, receipt_id=intent.receipt_id, sent=intent.sent, now_ms=now_ms
            ).wait()
        return receipt

    def _left_of(self, intent: Intent) -> Counter[str]:
        left: Counter[str] = Counter()
        for part in intent.days:
            with suppress(NotFoundError), self.vaults[part.vault].reader(Date.fromisoformat(part.date)) as reader:
                counts = reader.search.counts(part.clicks, part.calls)
                if part.vault == "restricted":
                    counts["restricted clicks"] = counts.pop("clicks")
                left += counts
        return left

    def verify(self, receipt: Mapping[str, Any]) -> list[str]:
        """What does not hold of a receipt now; nothing when all does."""
        return what_is_wrong(receipt, self._workspace.public_key, self.vaults)

    # -- restriction and objection

    def restrict(self, subject: Subject) -> dict[str, Any]:
        """Out of reports, exports and deliveries, and kept beyond its term, until it is lifted."""
        return self._move_between("restrict", subject, "days")

    def unrestrict(self, subject: Subject) -> dict[str, Any]:
        """Back to where it was; what has outlived its term meanwhile is erased."""
        return self._move_between("unrestrict", subject, "restricted")

    def _move_between(
        self, kind: Literal["restrict", "unrestrict"], subject: Subject, source: VaultName
    ) -> dict[str, Any]:
        with self._turn, self._journal.reporting_disk_errors():
            self._finish_what_was_begun(PATIENCE_SECONDS)
            intent = self._intent(kind, subject, find_subject(self.vaults, subject, (source,)))
            self._journal.write(intent)
            return self._carry_out(intent, PATIENCE_SECONDS)

    def object(self, subject: Subject) -> dict[str, Any]:
        """From now on the person's visits leave no trace, and nobody is told of those that were. Of a browser, which
        keeps that it opted out by itself, only the latter.

        Raises RefusedError when nobody could be told again.
        """
        told = keep_objection(self._workspace, self.vaults, subject, self._listener)
        return {"subject": self.told(subject), **told}
