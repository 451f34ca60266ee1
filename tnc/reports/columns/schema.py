"""The columns of each kind of file, and how a click becomes a row. None of them is personal data."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from tnc.core.fields import DIMENSION_FIELDS
from tnc.core.models import SUBS, Click, Privacy

ERASED: Final = "erased"  # value of every visitor dimension of an erased click
VISIT, INVALID, UNIQUE, LANDER_VIEW = 1, 2, 4, 8  # bits of `flags`

Kind = Literal["clicks", "landers", "conversions"]
KINDS: Final[tuple[Kind, ...]] = ("clicks", "landers", "conversions")

# Every dimension is text, so that `erased` fits everywhere; Parquet's dictionaries make it as small as numbers.
_OF_CLICK: Final = {
    "seq": "bigint",
    "clicked_at": "timestamp",
    "quarter": "uinteger",  # of clicked_at, since 1970
    "flags": "utinyint",
    "cost_micros": "bigint",
    **{each.name: "varchar" for each in DIMENSION_FIELDS},
}
COLUMNS: Final[Mapping[Kind, Mapping[str, str]]] = {
    "clicks": _OF_CLICK,
    "landers": {
        **_OF_CLICK,
        "event_seq": "bigint",
        "went_at": "timestamp",
        "went_offer": "varchar",
        "went_network": "varchar",
        "counts": "boolean",  # the first of its click, from a valid visit that was sent to a lander
    },
    "conversions": {
        **_OF_CLICK,  # `offer` and `network` are those the visitor went on to from the lander
        "event_seq": "bigint",  # of its first change
        "changes": "bigint[]",
        "converted_at": "timestamp",
        "converted_quarter": "uinteger",
        "conversion_status": "varchar",
        "conversion_event": "varchar",
        "payout_micros": "bigint",
        "payout_currency": "varchar",
        "conversion_cost_micros": "bigint",
        "conversion_cost_currency": "varchar",
    },
}

_READ: Final = tuple((each.name, each.read) for each in DIMENSION_FIELDS if each.name not in SUBS)
_ERASED_CELLS: Final = {each.name: ERASED for each in DIMENSION_FIELDS if each.about.privacy is Privacy.QUASI}


def click_row(seq: int, click: Click, subs: Mapping[str, str]) -> dict[str, Any]:
    """The cells of a click that are known. `subs` are the free parameters that passed the cardinality check."""
    row: dict[str, Any] = {"seq": seq, "clicked_at": click.clicked_at_ms, "flags": _flags(click)}
    if click.cost_micros is not None:
        row["cost_micros"] = click.cost_micros
    for name, read in _READ:
        value = read(click)
        if value is not None:
            row[name] = value if type(value) is str else _text(value)
    row.update(_ERASED_CELLS if click.erased else subs)
    return row


LABELS: Final = ("flags", "traffic", "reasons", "filter")  # what a later review or crawler check of a click may change


def label_row(seq: int, click: Click) -> dict[str, Any]:
    row = click_row(seq, click, {})
    return {"seq": seq} | {name: row.get(name) for name in LABELS}


def _text(value: object) -> str:
    if value is False:
        return "false"
    if value is True:
        return "true"
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _flags(click: Click) -> int:
    visit = click.visit
    return (
        (VISIT if visit.traffic != "prefetch" else 0)
        | (INVALID if visit.traffic != "human" or click.stopped else 0)
        | (UNIQUE if visit.unique_campaign else 0)
        | (LANDER_VIEW if click.lander is not None else 0)
    )
