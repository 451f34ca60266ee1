"""The page about postbacks agrees with the code."""

import re
from pathlib import Path

from tnc.tracking.conversions.csv_import import CONVERTED_AT
from tnc.tracking.conversions.networks import WRONG_ADDRESS, WRONG_KEY
from tnc.tracking.conversions.postback import PARAMETER_NAMES, STATUS_MAPS
from tnc.tracking.conversions.statuses import CANONICAL, COMMON, CORRECTIONS, EVENTS, MOVES

PAGE = (Path(__file__).parents[3] / "docs" / "postbacks.md").read_text(encoding="utf-8")
COLUMNS = ("click_id", "payout", "currency", "status", "type", "event", "txid", "key", "network")


def cells(first: str) -> list[str]:
    (line,) = re.findall(rf"^\| {re.escape(first)} \|.*$", PAGE, re.MULTILINE)
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def words(cell: str) -> tuple[str, ...]:
    return tuple(re.findall(r"`([^`\n]+)`", cell))


def test_every_tracker_is_listed_with_its_parameter_names() -> None:
    written = {
        tracker: {what: words(cell) for what, cell in zip(COLUMNS, cells(tracker), strict=True) if cell}
        for tracker in PARAMETER_NAMES
    }

    assert written == PARAMETER_NAMES


def test_every_common_status_is_listed() -> None:
    rows = {status: re.findall(rf"^\| {status} \| (`.*) \|$", PAGE, re.MULTILINE) for status in CANONICAL}

    written = {word: status for status, (row,) in rows.items() for word in words(row)}

    assert written | CANONICAL == COMMON


def test_every_change_of_status_is_listed() -> None:
    for before in CANONICAL:
        row = re.findall(rf"^\| {before} \| ([a-z, ]+)(.*)\|$", PAGE, re.MULTILINE)[0]
        after = {status for status in CANONICAL if status in row[0]}
        assert after == {move[1] for move in CORRECTIONS if move[0] == before}
        assert ("only" in row[0]) == (not {move for move in MOVES if move[0] == before})


def test_the_rest_of_the_vocabulary_is_listed() -> None:
    prose = re.sub(r"^```.*?^```", "", PAGE, flags=re.MULTILINE | re.DOTALL)
    named = {*words(prose), *(word.partition("=")[0] for word in words(prose))}

    assert {*STATUS_MAPS, *EVENTS, CONVERTED_AT, WRONG_KEY, WRONG_ADDRESS} <= named
