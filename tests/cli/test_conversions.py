"""`tnc conversion import` reads the files of spreadsheets, with times in the zone of the file."""

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Tnc

CLICK = {"click_id": "a", "clicked_at": "2026-11-20T12:00:00Z", "campaign": "c"}


@pytest.mark.parametrize(
    ("zone", "time", "outcome"),
    [
        ((), "2026-11-20T08:00", "invalid"),
        (("--timezone", "America/New_York"), "2026-11-20T08:00", "new"),
        (("--timezone", "America/New_York"), "2026-11-20T08:00Z", "invalid"),
        (("--timezone", "Europe/Berlin"), "2026-11-20T12:30", "invalid"),
    ],
)
def test_times_without_a_zone_are_in_the_zone_of_the_file(
    tnc: Tnc, tmp_path: Path, zone: tuple[str, ...], time: str, outcome: str
) -> None:
    clicks, file = tmp_path / "clicks.jsonl", tmp_path / "november.csv"
    clicks.write_text(json.dumps(CLICK))
    assert tnc("import", "clicks", str(clicks)).code == 0
    file.write_bytes(f"sep=;\r\ncid;converted_at\r\na;{time}\r\n".encode("utf-16"))

    (line,) = tnc("conversion", "import", str(file), *zone, "--json").json["lines"]

    assert (line["line"], line["outcome"]) == (3, outcome)
    assert outcome == "new" or "converted_at is before the click" in line["note"]


def test_an_unknown_zone_is_refused(tnc: Tnc, tmp_path: Path) -> None:
    (tmp_path / "f.csv").write_text("cid\na\n")

    done = tnc("conversion", "import", str(tmp_path / "f.csv"), "--timezone", "Mars/Base")

    assert (done.code, "Mars/Base" in done.err) == (2, True)
