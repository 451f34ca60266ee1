"""`tnc import clicks`: files of any size in portions, and what is shown on a terminal."""

import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tnc
from tnc.cli.clicks import _import
from tnc.core.clock import World
from tnc.core.errors import PartlyDoneError, UnavailableError
from tnc.core.settings import Settings


def a_file(folder: Path, count: int, *, wrong: int) -> Path:
    """Clicks of the last hours; one line is no JSON."""
    now = datetime.now(UTC) - timedelta(minutes=1)
    lines = [
        json.dumps({"click_id": f"past-{number}", "clicked_at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "campaign": "c"})
        for number in range(count)
    ]
    lines[wrong - 1] = "no JSON"
    file = folder / "clicks.jsonl"
    file.write_text("\n".join(lines))
    return file


def test_lines_of_later_portions_keep_their_numbers(tnc: Tnc, tmp_path: Path) -> None:
    file = a_file(tmp_path, 8_100, wrong=8_050)

    first, second = (tnc("import", "clicks", str(file), "--json") for _ in range(2))

    assert (first.json["read"], first.json["added"], first.json["refused"]) == (8_100, 8_099, 1)
    assert first.json["errors"][0].startswith("clicks.jsonl, line 8050: this is not JSON")
    assert (second.json["added"], second.json["known"]) == (0, 8_099)
    assert "importing" not in first.err, "nothing is shown where standard error is no terminal"


def test_an_interrupted_import_says_how_to_go_on(tmp_path: Path) -> None:
    file, portions = a_file(tmp_path, 8_100, wrong=1), 0

    def add(lines: Iterable[bytes], /, *, file: str, first: int) -> dict[str, Any]:
        nonlocal portions
        if portions:
            raise KeyboardInterrupt
        portions += 1
        assert (file, first) == ("clicks.jsonl", 1)
        return {"read": 8_000, "added": 7_999, "known": 0, "refused": 1, "errors": ["line 1"]}

    with pytest.raises(PartlyDoneError, match=r"stopped behind line 8000 of clicks.jsonl; 7999 clicks were added"):
        _import(file, add, World())


@pytest.mark.usefixtures("tnc")
def test_a_terminal_shows_a_bar_beside_clean_output(settings: Settings, tmp_path: Path) -> None:
    file = a_file(tmp_path, 200, wrong=7)
    config = settings.data / "config.toml"
    ours, theirs = pty.openpty()

    done = subprocess.run(
        [sys.executable, "-m", "tnc", "--config", str(config), "import", "clicks", str(file), "--json"],
        stdout=subprocess.PIPE,
        stderr=theirs,
        check=False,
    )
    os.close(theirs)
    shown = os.read(ours, 100_000).decode()
    os.close(ours)

    assert done.returncode == 5, shown
    assert json.loads(done.stdout)["added"] == 199
    assert "importing" in shown
    assert "100%" in shown
    assert "lines," in shown


def test_a_server_that_refuses_midway_is_reported_with_how_far_it_came(tmp_path: Path) -> None:
    file, portions = a_file(tmp_path, 8_100, wrong=1), 0

    def add(lines: Iterable[bytes], /, *, file: str, first: int) -> dict[str, Any]:
        nonlocal portions
        portions += 1
        if portions == 2:
            raise UnavailableError("the disk is full")
        return {"read": 8_000, "added": 8_000, "known": 0, "refused": 0, "errors": []}

    with pytest.raises(PartlyDoneError, match=r"behind line 8000 of clicks.jsonl: the disk is full; 8000 clicks"):
        _import(file, add, World())
