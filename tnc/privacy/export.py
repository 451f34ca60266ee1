"""A copy of everything that is stored about somebody: one ZIP, the same bytes whenever it is made of the same data.

JSON as it is stored, the same as CSV that no spreadsheet takes for formulas, and a page of plain words.
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

from tnc.core.fields import FIELDS, Field, Kind, plain, rfc3339
from tnc.core.models import Click, ConversionChange, FilterChange, LabelChange, LanderClick, Withdrawal
from tnc.privacy.journal import DayPart, VaultName
from tnc.privacy.search import SubjectData, add_postbacks
from tnc.privacy.subject import Subject
from tnc.privacy.vault import Vault
from tnc.reports.result import spreadsheet_safe
from tnc.store.days.deliveries import DeliveryRecord
from tnc.store.days.inbox import Call
from tnc.store.days.writer import DayReader
from tnc.store.terms import TERMS, days_of
from tnc.store.workspace import Workspace

Record = dict[str, Any]

_EPOCH: Final = (1980, 1, 1, 0, 0, 0)  # a ZIP says when its files were made; then two of the same would differ

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
# What stands beside the fields of a record.
_BESIDE: Final[Mapping[str, Record]] = {
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
TABLES: Final = ("clicks", "conversions", "lander_clicks", "judgements", "withdrawals", "deliveries", "postbacks")


@dataclass(slots=True)
class ExportedData:
    """What there is, by table, and who was told of it how often."""

    tables: dict[str, list[Record]] = field(default_factory=lambda: {name: [] for name in TABLES})
    told: Counter[str] = field(default_factory=Counter)


def export_zip(workspace: Workspace, vaults: Mapping[VaultName, Vault], subject: Subject) -> bytes:
    """The ZIP. Of an address only the clicks that were stored with it whole: a network's may be of others."""
    copy, found = ExportedData(), SubjectData()
    for name, vault in vaults.items():
        for date in vault.dates():
            with vault.reader(date) as reader:
                for seq, click in subject.clicks(reader, exact_only=True):
                    found.clicks.append(click)
                    _add(copy, workspace, reader, seq, click, restricted=name == "restricted")
    for name, vault in vaults.items():
        _add_calls(copy, name, vault, found)
    for records in copy.tables.values():
        records.sort(key=lambda record: json.dumps(record, sort_keys=True))
    return _zip(copy, workspace)


def _add(
    copy: ExportedData, workspace: Workspace, reader: DayReader, seq: int, click: Click, *, restricted: bool
) -> None:
    copy.tables["clicks"].append(_click(workspace, click, restricted=restricted))
    for event in reader.events_of(seq):
        copy.tables[_KINDS[type(event)]].append({"click_id": click.click_id, **_whole(event)})
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
                **_whole(row.record),
            }
        )
        if row.attempts:
            copy.told[row.destination] += 1


def _click(workspace: Workspace, click: Click, *, restricted: bool) -> Record:
    """Every field of the registry but the headers, which are never stored."""
    record = {name: plain(each.kind, each.read(click)) for name, each in FIELDS.items() if name != "headers"}
    return record | {"destination": workspace.destination(click), "restricted": restricted}


def _whole(record: msgspec.Struct) -> Record:
    """Every field with its value, also those that are not written when they are as usual."""
    written: Record = msgspec.to_builtins(record)
    return written | {name: msgspec.to_builtins(getattr(record, name)) for name in record.__struct_fields__}


def _add_calls(copy: ExportedData, name: VaultName, vault: Vault, found: SubjectData) -> None:
    """By the numbers of the clicks alone: an address is shared, and whoever writes another's e-mail address into a link
    must not read what is told of that one.
    """
    parts: list[DayPart] = []
    if found.clicks:
        add_postbacks(parts, name, vault, ids=found.ids, words=())
    for part in parts:
        with vault.reader(Date.fromisoformat(part.date)) as reader:
            for row in filter(None, map(reader.inbox.find, part.calls)):
                told = {"at": rfc3339(row.at_ms), "outcome": row.outcome}
                copy.tables["postbacks"].append(told | _whole(row.call))


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


def _json(told: object) -> str:
    return json.dumps(told, ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def _schemas() -> Iterator[tuple[str, str]]:
    """What each file may hold, as JSON Schema."""
    for name in TABLES:
        yield f"schema/{name}.json", _json({"$schema": _SCHEMA, "type": "array", "items": {"anyOf": _records(name)}})


def _records(table: str) -> list[Record]:
    if table == "clicks":
        fields = {name: _described(each) for name, each in FIELDS.items() if name != "headers"}
        return [_object({**fields, "destination": {"type": ["string", "null"]}, "restricted": _BOOLEAN})]
    return [_object({**_BESIDE[table], **_properties(kind)}) for kind, its in _STRUCTS.items() if its == table]


def _object(properties: Record) -> Record:
    return {
        "type": "object",
        "properties": properties,
        "required": sorted(properties),
        "additionalProperties": False,
    }


def _described(its: Field) -> Record:
    return {"type": [*_TYPES[its.kind], "null"], "description": its.about.text}


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


# --------------------------------------------------------------------------------------------- in plain words


def _readme(copy: ExportedData, workspace: Workspace) -> str:
    counts = "\n".join(f"  {len(records):>6}  {name}" for name, records in copy.tables.items())
    told = "\n".join(f"  {name}: {count}" for name, count in sorted(copy.told.items())) or "  nobody"
    clicks_days = days_of("clicks", workspace.settings)
    return _README.format(counts=counts, told=told, clicks_days=clicks_days, receipts=TERMS["receipts"].days)


_README: Final = """\
This is everything that is stored here about you, as far as you can be told from others.

What it is
----------
You followed a link that counts visits. Each visit is a line in clicks.json: when it was, which link it was,
where you were sent on to, and what your browser said. What happened later stands in the other files.

{counts}

Each .json file has its .csv twin with the same lines, for a spreadsheet. What may stand in it says the file of
its name in the folder schema; manifest.json holds the SHA-256 of every file.

Why it is stored
----------------
To count visits and to credit whoever sent you; to tell people from programs; and, where you consented or the
law where you are allows it, to tell the advertiser's platform of a purchase. What your visit was measured by is
in the fields `mode` and `consent` of each click: `full`, `limited`, `cookieless` or `none`.

How it was decided where you went
---------------------------------
By the rules of the campaign on what is in clicks.json, and by a draw that is the same each time for the same
visitor. No profile of you is made, and where you are sent never depends on whether you consent.

For how long
------------
{clicks_days} days from each visit; then the key of that day is destroyed, which also makes every backup of it
unreadable. Sums in which nobody can be found are kept longer.

Who was told
------------
Reports of conversions that were sent to others, by receiver:
{told}
The network of the offer you were sent to knows the click id, which was part of that address.

Your rights
-----------
You can have this erased, restricted or corrected, object to it and withdraw your consent, on the page /privacy
of the link's domain or by writing to its owner; and you can complain to your data protection authority. An
erasure gives a receipt that anybody can verify; it is kept for {receipts} days and names nobody.
"""


def file_name(subject_hash: str) -> str:
    return f"tnc-copy-{subject_hash.partition(':')[2][:12]}.zip"
