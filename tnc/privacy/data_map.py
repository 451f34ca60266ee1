"""The data map: every column of every store, with its privacy class, how it is erased and how long it is kept.

A test compares it with the stores, so a new column needs an entry here. The privacy page, the export of a person's data
and the records of processing use it.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, NamedTuple

from tnc.core.fields import DIMENSION_FIELDS, FIELDS
from tnc.core.models import Privacy
from tnc.reports.columns.schema import COLUMNS

Class = Literal["pii", "pseudonym", "quasi", "business", "secret", "none"]
Erase = Literal[
    "key destroyed, row deleted",
    "row deleted",
    "file written again without it",
    "overwritten",
    "with the installation",
    "stays, says nothing about a person",
    "stays, is anonymous",
    "goes with its term",
    "with the whole day",
]

SEALED: Final[Erase] = "key destroyed, row deleted"
DELETED: Final[Erase] = "row deleted"
REWRITTEN: Final[Erase] = "file written again without it"
STAYS: Final[Erase] = "stays, says nothing about a person"
ANONYMOUS: Final[Erase] = "stays, is anonymous"
TERM: Final[Erase] = "goes with its term"
OVERWRITTEN: Final[Erase] = "overwritten"
WHOLE_DAY: Final[Erase] = "with the whole day"
ACCOUNT: Final[Erase] = "with the installation"


class Entry(NamedTuple):
    """One column. `keep` is a key of `tnc.store.terms.in_words`. Fields inside an encrypted column have entries too."""

    store: str
    table: str
    column: str
    kind: Class
    erase: Erase
    keep: str

    @property
    def personal(self) -> bool:
        return self.kind in ("pii", "pseudonym")


def _table(store: str, table: str, keep: str, erase: Erase, columns: Mapping[str, Class]) -> Iterator[Entry]:
    return (Entry(store, table, column, kind, erase, keep) for column, kind in columns.items())


_DAY: Final = "day files"
_CONTROL: Final = "control database"
_RING: Final = "keyring"

_DAY_TABLES: Final[Mapping[str, Mapping[str, Class]]] = {
    "clicks": {
        "seq": "none",
        "sealed": "pii",
        "click": "pseudonym",
        "visitor": "pseudonym",
        "address": "pseudonym",
        "external": "pseudonym",
        "browser": "pseudonym",
    },
    "events": {"seq": "none", "click_seq": "none", "kind": "none", "at_ms": "none", "sealed": "pii"},
    "deliveries": {
        "seq": "none",
        "click_seq": "none",
        "event_seq": "none",
        "first_seq": "none",
        "destination": "business",
        "kind": "business",
        "state": "business",
        "attempts": "none",
        "created_at_ms": "none",
        "next_at_ms": "none",
        "expires_at_ms": "none",
        "done_at_ms": "none",
        "sealed": "pii",
    },
    "inbox": {"seq": "none", "at_ms": "none", "outcome": "business", "click": "pseudonym", "sealed": "pii"},
}

# The fields of encrypted records. Those of the click itself come from `tnc.core.fields`.
_RECORDS: Final[Mapping[str, Mapping[str, Class]]] = {
    "LanderClick": {
        "at_ms": "none",
        "offer": "business",
        "network": "business",
        "number": "business",
        "found_by": "none",
    },
    "ConversionChange": {
        "conversion_id": "pii",
        "at_ms": "none",
        "status": "business",
        "status_word": "business",
        "event": "business",
        "payout_micros": "business",
        "currency": "business",
        "txid": "pii",
        "network": "business",
        "cost_micros": "business",
        "cost_currency": "business",
        "origin": "none",
    },
    "LabelChange": {"at_ms": "none", "traffic": "quasi", "reasons": "quasi", "crawler_verified": "quasi"},
    "FilterChange": {
        "at_ms": "none",
        "by": "business",
        "filter": "business",
        "stopped": "business",
        "reasons": "quasi",
        "undone": "none",
    },
    "Withdrawal": {"at_ms": "none"},
    "DeliveryRecord": {
        "conversion_id": "pii",
        "number": "none",
        "reason": "business",
        "status": "none",
        "request": "pii",
        "answer": "pii",
        "receipt": "pii",
        "size": "none",
        "asked": "none",
        "room": "none",
        "throttled": "none",
    },
    "Call": {
        "method": "none",
        "path": "business",
        "params": "pii",
        "peer": "business",  # a network's IP address, truncated
        "origin": "none",
        "network": "business",
        "conversion_id": "pii",
        "status": "none",
        "answer": "business",
        "note": "business",
        "replays": "none",
    },
}

_KEYS: Final[Mapping[str, Mapping[str, Class]]] = {
    "installation": {"control_key": "secret", "pepper": "secret", "receipt_key": "secret"},
    "workspace": {"cookie_key": "secret", "tomb_key": "secret", "salts": "secret"},
    "day": {"clicks": "secret", "events": "secret", "token_key": "secret", "words": "business"},
}
_KEY_TERMS: Final = {"installation": "installation", "workspace": "installation", "day": "clicks"}
# On disk while an erasure is under way; overwritten when it is done.
_INTENT: Final[Mapping[str, Class]] = {
    "kind": "none",
    "receipt_id": "none",
    "subject": "pseudonym",
    "cut": "none",
    "requested_at_ms": "none",
    "tombstones": "pseudonym",
    "values": "pii",
    "before": "none",
    "sent": "business",
    "days": "pseudonym",
    "request_id": "none",
    "ids": "pseudonym",
    "words": "pii",
}

_STATE: Final = ("schema", "clicks", "judged", "events", "parts", "guard", "known", "opted_out")

_CONTROL_TABLES: Final[tuple[tuple[str, str, Erase, Mapping[str, Class]], ...]] = (
    (
        "config_versions",
        "installation",
        STAYS,
        {
            "workspace": "business",
            "version": "business",
            "made_at_ms": "none",
            "note": "business",
            "document": "secret",
        },
    ),
    ("config_versions", "installation", ACCOUNT, {"made_by": "pii"}),  # e-mail address of a dashboard user
    ("term_changes", "installation", ACCOUNT, {"made_by": "pii"}),  # the same
    ("users", "installation", ACCOUNT, {"id": "none", "email": "pii", "password": "secret", "created_at_ms": "none"}),
    (
        "sessions",
        "sessions",
        TERM,
        {"token_hash": "secret", "user_id": "none", "opened_at_ms": "none", "seen_at_ms": "none"},
    ),
)

# Settings, alerts, tombstones, receipts and requests.
_REST: Final[tuple[tuple[str, str, Erase, Mapping[str, Class]], ...]] = (
    (
        "stopped_destinations",
        "installation",
        STAYS,
        dict.fromkeys(("workspace", "destination", "reason", "at_ms", "config_version"), "business"),
    ),
    (
        "alerts",
        "installation",
        STAYS,
        {
            "workspace": "business",
            "subject": "business",
            "at_ms": "none",
            "sent": "none",
            "over": "none",
            "problem": "business",
        },
    ),
    ("terms", "installation", STAYS, dict.fromkeys(("workspace", "setting", "days"), "business")),
    (
        "term_changes",
        "installation",
        STAYS,
        dict.fromkeys(
            ("number", "workspace", "at_ms", "setting", "days_before", "days_after", "gone_days", "gone_clicks"),
            "business",
        ),
    ),
    ("tombstones", "tombstones", TERM, {"workspace": "business", "hash": "pseudonym", "expires_at_ms": "none"}),
    (
        "receipts",
        "receipts",
        STAYS,
        {"receipt_id": "none", "workspace": "business", "made_at_ms": "none", "document": "none"},
    ),
    ("escrows", "installation", STAYS, {"made_at_ms": "none", "digest": "none"}),
    ("escrow_epochs", "installation", STAYS, dict.fromkeys(("made_at_ms", "file", "epoch"), "none")),
    ("objections", "objections", TERM, {"hash": "pseudonym"}),
    ("requests", "requests", TERM, {"subject": "pseudonym", "link_hash": "secret", "sealed": "pii"}),
    (
        "requests",
        "requests",
        STAYS,
        dict.fromkeys(
            (
                "request_id",
                "workspace",
                "kind",
                "channel",
                "state",
                "received_at_ms",
                "due_at_ms",
                "extended",
                "closed_at_ms",
                "evidence",
                "receipt_id",
                "duplicate_of",
            ),
            "none",
        ),
    ),
    (
        "request_steps",
        "requests",
        STAYS,
        dict.fromkeys(("request_id", "number", "at_ms", "actor", "state", "reason"), "none"),
    ),
    ("objections", "objections", STAYS, dict.fromkeys(("workspace", "kind", "made_at_ms", "expires_at_ms"), "none")),
)

# The result of the search for unencrypted personal data: files, kinds and counts.
_INSPECTION: Final = (
    "at_ms", "clicks", "words", "files", "bytes", "unchanged", "left", "leaks", "clean_at_ms", "seen",
)  # fmt: skip

# What is known about the time (`tnc.store.clock_check`).
_CLOCK: Final = ("believed_at_ms", "wall_at_ms", "agreed_ms", "overdue")

# Our own log lines, which never contain a value from a visitor (`tnc.core.logging`).
_LOG: Final = ("at", "level", "event", "error", "where", "route", "status", "ms")


def _click_fields() -> Iterator[Entry]:
    for name, field in FIELDS.items():
        if name != "headers":  # in memory only, for conditions
            yield Entry(_DAY, "record Click", name, _class(field.about.privacy), SEALED, "clicks")


def _class(privacy: Privacy) -> Class:
    kind: Class = privacy.value
    return kind


def _columns() -> Iterator[Entry]:
    dimensions = {each.name: _class(each.about.privacy) for each in DIMENSION_FIELDS}
    for kind, columns in COLUMNS.items():
        for name in columns:
            yield Entry("columns", kind, name, dimensions.get(name, "business"), REWRITTEN, "clicks")
    yield from _table("columns", "state.json", "clicks", REWRITTEN, dict.fromkeys(_STATE, "none"))


def _all() -> Iterator[Entry]:
    for table, columns in _DAY_TABLES.items():
        yield from _table(_DAY, table, "clicks", SEALED, columns)
    yield from _table(_DAY, "numbers", "clicks", STAYS, {"name": "business", "value": "none"})
    yield from _click_fields()
    for record, fields in _RECORDS.items():
        yield from _table(_DAY, f"record {record}", "clicks", SEALED, fields)
    yield from _columns()
    for table, keep, erase, columns in (*_CONTROL_TABLES, *_REST):
        yield from _table(_CONTROL, table, keep, erase, columns)
    for file, columns in _KEYS.items():
        yield from _table(_RING, file, _KEY_TERMS[file], WHOLE_DAY if file == "day" else STAYS, columns)
    yield from _table(_RING, "intent", "erasure", OVERWRITTEN, _INTENT)
    yield from _table("files", "inspection.json", "installation", STAYS, dict.fromkeys(_INSPECTION, "none"))
    yield from _table("files", "clock.json", "installation", STAYS, dict.fromkeys(_CLOCK, "none"))
    yield from _table("logs", "stderr", "system log", STAYS, dict.fromkeys(_LOG, "none"))


MAP: Final[tuple[Entry, ...]] = tuple(_all())


def map_json(terms: Mapping[str, str]) -> list[dict[str, str]]:
    """The map as `tnc privacy map --json` prints it; `terms` has the text of each retention period."""
    return [
        {
            "store": entry.store,
            "table": entry.table,
            "column": entry.column,
            "class": entry.kind,
            "erase": entry.erase,
            "keep": terms[entry.keep],
        }
        for entry in MAP
    ]


def entries(store: str, table: str) -> Iterable[Entry]:
    return (entry for entry in MAP if entry.store == store and entry.table == table)
