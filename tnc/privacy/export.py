"""The export of everything that is stored about a subject: one ZIP, with the same bytes for the same data.

It contains JSON as stored, the same as CSV without spreadsheet formulas, JSON Schemas, and a readme.
"""

import csv
import hashlib
import io
import json
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date as Date
from typing import Any, Final

import msgspec

from tnc.core.fields import FIELDS, Field, Kind, click_json, plain, rfc3339
from tnc.core.models import Click, ClickHistory, ConversionChange, FilterChange, LabelChange, LanderClick, Withdrawal
from tnc.privacy.journal import DayPart, VaultName
from tnc.privacy.search import SubjectData, add_postbacks
from tnc.privacy.subject import Subject, SubjectKind
from tnc.privacy.vault import Vault
from tnc.reports.result import spreadsheet_safe
from tnc.store.days.deliveries import DeliveryRecord
from tnc.store.days.history import click_history
from tnc.store.days.inbox import Call
from tnc.store.days.writer import DayReader
from tnc.store.requests import Request
from tnc.store.terms import TERMS, days_of
from tnc.store.workspace import Workspace

Record = dict[str, Any]

# A ZIP contains the times of its files; two exports of the same data must be equal.
_EPOCH: Final = (1980, 1, 1, 0, 0, 0)

_KINDS: Final[Mapping[type[msgspec.Struct], str]] = {
    ConversionChange: "conversions",
    LanderClick: "lander_clicks",
    LabelChange: "judgements",
    FilterChange: "judgements",
    Withdrawal: "withdrawals",
}
_STRUCTS: Final[Mapping[type[msgspec.Struct], str]] = {**_KINDS, DeliveryRecord: "deliveries", Call: "postbacks"}
_SCHEMA: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final[Mapping[Kind, tuple[str, ...]]] = {
    "text": ("string",),
    "version": ("string",),
    "time": ("string",),
    "number": ("number",),
    "money": ("number",),
    "boolean": ("boolean",),
    "list": ("array",),
    "table": ("object",),
}
_TEXT: Final[Record] = {"type": "string"}
_BOOLEAN: Final[Record] = {"type": "boolean"}
# Properties in a file beside the fields of the record.
_OTHER_PROPERTIES: Final[Mapping[str, Record]] = {
    "conversions": {"click_id": _TEXT},
    "lander_clicks": {"click_id": _TEXT},
    "judgements": {"click_id": _TEXT},
    "withdrawals": {"click_id": _TEXT},
    "deliveries": {
        **dict.fromkeys(("click_id", "destination", "kind", "state", "created_at"), _TEXT),
        "attempts": {"type": "integer"},
        "done_at": {"type": ["string", "null"]},
    },
    "postbacks": {"at": _TEXT, "outcome": _TEXT},
}
TABLES: Final = (
    "clicks", "conversions", "lander_clicks", "judgements", "withdrawals", "deliveries", "postbacks", "requests",
)  # fmt: skip
_TEXT_OR_NULL: Final[Record] = {"type": ["string", "null"]}
_LIST: Final[Record] = {"type": "array", "items": {"type": "object"}}
# Properties of clicks.json beside the registry of click fields.
_OF_CLICKS: Final[Mapping[str, Record]] = {
    **dict.fromkeys(("destination", "lander_clicked_at", "offer_clicked", "network_clicked"), _TEXT_OR_NULL),
    **dict.fromkeys(("stopped", "test", "restricted"), _BOOLEAN),
    "conversions": _LIST,
    "before_change": {"type": ["object", "null"]},
}
_OF_REQUESTS: Final[Mapping[str, Record]] = {
    **dict.fromkeys(("request_id", "kind", "channel", "state", "received_at", "due_at"), _TEXT),
    **dict.fromkeys(("closed_at", "evidence", "receipt_id", "duplicate_of"), _TEXT_OR_NULL),
    **dict.fromkeys(("text", "contact", "answer", "click"), _TEXT),
    "extended": _BOOLEAN,
    "receivers": _LIST,
    "steps": _LIST,
}


@dataclass(slots=True)
class ExportedData:
    """Records by table, and the number of sent deliveries by destination."""

    tables: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in TABLES})
    sent: Counter[str] = field(default_factory=Counter)


def export_zip(workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject) -> bytes:
    """The ZIP. For an IP address only clicks with the full address: others of its network may be of other people."""
    copy, found = ExportedData(), SubjectData()
    for name, vault in vaults.items():
        for date in vault.dates():
            if is_withheld(workspace, name, date):
                continue
            with vault.reader(date) as reader:
                for seq, click in subject.clicks(reader, exact_only=True):
                    found.clicks.append(click)
                    _add(copy, workspace, reader, seq, click, restricted=name == "restricted")
    for name, vault in vaults.items():
        _add_calls(copy, workspace, name, vault, found)
    copy.tables["requests"] = [_request_record(each) for each in _requests(workspace, subject, found)]
    for records in copy.tables.values():
        records.sort(key=lambda record: json.dumps(record, sort_keys=True))
    return _zip(copy, workspace)


def _add(
    copy: ExportedData, workspace: Workspace, reader: DayReader, seq: int, click: Click, *, restricted: bool
) -> None:
    events = reader.events_of(seq)
    copy.tables["clicks"].append(_click_record(workspace, click_history(click, events), restricted=restricted))
    for event in events:
        copy.tables[_KINDS[type(event)]].append({"click_id": click.click_id, **_all_fields(event)})
    for row in reader.deliveries.of_click(seq):
        copy.tables["deliveries"].append(
            {
                "click_id": click.click_id,
                "destination": row.destination,
                "kind": row.kind,
                "state": row.state,
                "attempts": row.attempts,
                "created_at": rfc3339(row.created_at_ms),
                "done_at": None if row.done_at_ms is None else rfc3339(row.done_at_ms),
                **_all_fields(row.record),
            }
        )
        if row.attempts:
            copy.sent[row.destination] += 1


def _click_record(workspace: Workspace, history: ClickHistory, *, restricted: bool) -> Record:
    """Everything that `tnc click` shows, and the internal fields of the registry but the headers, never stored.

    `before_change` has the fields with another value when the visit was recorded; None if nothing changed later.
    """
    record = _registry_record(history.click)
    before = None
    if history.decided is not None:
        before = {name: value for name, value in _registry_record(history.decided).items() if value != record[name]}
    shown = click_json(history, destination=workspace.destination(history.click))
    return record | shown | {"restricted": restricted, "before_change": before}


def _registry_record(click: Click) -> Record:
    return {name: plain(each.kind, each.read(click)) for name, each in FIELDS.items() if name != "headers"}


def _requests(workspace: Workspace, subject: Subject, found: SubjectData) -> list[Request]:
    """The subject's privacy requests; those of a visitor or browser also by its click ids and cookies.

    An IP address, an external id and other pseudonyms may be shared, and a request holds an address to reply to.
    """
    subjects: set[tuple[SubjectKind, str]] = {(subject.kind, subject.value)}
    if subject.kind in ("visitor", "browser"):
        subjects |= {("click", each) for each in found.ids}
        subjects |= {("browser", each.visit.browser_id) for each in found.clicks if each.visit.browser_id}
    hashes = {f"{kind}:{workspace.erasures.hash(kind, value).hex()}" for kind, value in subjects}
    return workspace.register.of_subjects(hashes).wait()


def _request_record(request: Request) -> Record:
    content = request.content
    return {
        **{name: getattr(request, name) for name in ("request_id", "kind", "channel", "state", "extended")},
        **{name: getattr(request, name) for name in ("evidence", "receipt_id", "duplicate_of")},
        "received_at": rfc3339(request.received_at_ms),
        "due_at": rfc3339(request.due_at_ms),
        "closed_at": None if request.closed_at_ms is None else rfc3339(request.closed_at_ms),
        **{name: getattr(content, name) for name in ("text", "contact", "answer", "click")},
        "receivers": [
            {
                "name": name,
                "reports": its.reports,
                "outcome": its.outcome,
                "at": rfc3339(its.at_ms) if its.outcome else None,
            }
            for name, its in content.receivers.items()
        ],
        "steps": [
            {"at": rfc3339(step.at_ms), "actor": step.actor, "state": step.state, "reason": step.reason}
            for step in request.steps
        ],
    }


def _all_fields(record: msgspec.Struct) -> Record:
    """Every field with its value, also those that have their default and are left out when encoded."""
    written: Record = msgspec.to_builtins(record)
    return written | {name: msgspec.to_builtins(getattr(record, name)) for name in record.__struct_fields__}


def is_withheld(workspace: Workspace, name: VaultName, date: Date) -> bool:
    """Whether a day is past its retention time. Restricted clicks are kept beyond it."""
    return name == "days" and not workspace.histories.has(date)


def _add_calls(copy: ExportedData, workspace: Workspace, name: VaultName, vault: Vault, found: SubjectData) -> None:
    """Add postbacks, which are found by click id only. An IP address is shared, and a person who puts another's e-mail
    address into a link must not get postbacks about the other.
    """
    parts: list[DayPart] = []
    if found.clicks:
        add_postbacks(parts, name, vault, ids=found.ids, texts=())
    for part in parts:
        date = Date.fromisoformat(part.date)
        if is_withheld(workspace, name, date):
            continue
        with vault.reader(date) as reader:
            for row in filter(None, map(reader.inbox.find, part.calls)):
                about = {"at": rfc3339(row.at_ms), "outcome": row.outcome}
                copy.tables["postbacks"].append(about | _all_fields(row.call))


# ------------------------------------------------------------------------------------------------- as files


def _zip(copy: ExportedData, workspace: Workspace) -> bytes:
    content = io.BytesIO()
    files = [("readme.txt", _readme(copy, workspace)), *_files(copy), *_schemas()]
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files}
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
        for name, text in (*files, ("manifest.json", _json({"sha256": digests}))):
            member = zipfile.ZipInfo(name, _EPOCH)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o600 << 16
            archive.writestr(member, text)
    return content.getvalue()


def _files(copy: ExportedData) -> Iterator[tuple[str, str]]:
    for name, records in copy.tables.items():
        yield f"{name}.json", _json(records)
        yield f"{name}.csv", _csv(records)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _schemas() -> Iterator[tuple[str, str]]:
    """A JSON Schema for each file."""
    for name in TABLES:
        yield f"schema/{name}.json", _json({"$schema": _SCHEMA, "type": "array", "items": {"anyOf": _records(name)}})


def _records(table: str) -> list[Record]:
    if table == "clicks":
        fields = {name: _property(each) for name, each in FIELDS.items() if name != "headers"}
        return [_object({**fields, **_OF_CLICKS})]
    if table == "requests":
        return [_object({**_OF_REQUESTS})]
    kinds = (kind for kind, its_table in _STRUCTS.items() if its_table == table)
    return [_object({**_OTHER_PROPERTIES[table], **_properties(kind)}) for kind in kinds]


def _object(properties: Record) -> Record:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _property(field_: Field) -> Record:
    return {"type": [*_TYPES[field_.kind], "null"], "description": field_.about.text}


def _properties(kind: type[msgspec.Struct]) -> Record:
    found: Record = msgspec.json.schema(kind)["$defs"][kind.__name__]["properties"]
    return found


def _csv(records: Iterable[Record]) -> str:
    text = io.StringIO()
    rows = list(records)
    columns = sorted({column for record in rows for column in record})
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for record in rows:
        writer.writerow([spreadsheet_safe(_cell(record.get(column))) for column in columns])
    return text.getvalue()


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)


# ------------------------------------------------------------------------------------------------ readme


def _readme(copy: ExportedData, workspace: Workspace) -> str:
    counts = "\n".join(f"  {len(records):>6}  {name}" for name, records in copy.tables.items())
    sent = "\n".join(f"  {name}: {count}" for name, count in sorted(copy.sent.items())) or "  none"
    clicks_days = days_of("clicks", workspace.settings)
    return _README.format(counts=counts, sent=sent, clicks_days=clicks_days, receipts=TERMS["receipts"].days)


_README: Final = """\
This is everything that is stored here about you, as far as it can be distinguished from data about others.

What it is
----------
You followed a link that counts visits. clicks.json has one entry for each visit: its time, the link, the page
you were sent to, what your browser sent, and its conversions. The other files contain what happened later, and
requests.json your own privacy requests.

{counts}

Each .json file has a .csv file with the same entries, for a spreadsheet. The folder schema describes the fields
of each file; manifest.json has the SHA-256 of every file.

Why it is stored
----------------
To count visits and credit the site that sent you, to distinguish people from programs, and, with your consent or
where the law allows it, to report a purchase to the advertising platform. How a visit was processed is in the
fields `mode` and `consent` of each click: `full`, `limited`, `cookieless` or `none`.

How the page was chosen
-----------------------
By the rules of the campaign from what is in clicks.json, and by a random choice that stays the same for the same
visitor. No profile of you is made, and you are sent to the same page whether you consent or not.

For how long
------------
{clicks_days} days from each visit. Then the key of that day is destroyed, which also makes every backup of it
unreadable. Sums in which no person can be identified are kept longer.

Who received data
-----------------
Conversions that were sent to others, by receiver:
{sent}
The affiliate network of the offer knows the click id, which was part of the link you were sent to.

Your rights
-----------
You can have this data erased, restricted or corrected, object to its use, and withdraw your consent, on the page
/privacy of the link's domain or by writing to its owner. You can complain to your data protection authority. An
erasure gives a receipt that anyone can verify; it is kept for {receipts} days and contains no personal data.
"""


def file_name(subject_hash: str) -> str:
    return f"tnc-copy-{subject_hash.partition(':')[2][:12]}.zip"
