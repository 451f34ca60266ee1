"""`tnc report`: what it prints on standard output and standard error."""

import json
from datetime import UTC, datetime
from pathlib import Path

from tests.cli.conftest import Tnc


def test_notes_are_printed_once_and_cannot_move_the_cursor(tnc: Tnc, tmp_path: Path) -> None:
    hostile = "site\x1b]0;pwned\x07\u202e"
    click = {"click_id": "a", "clicked_at": f"{datetime.now(UTC):%Y-%m-%dT00:00:00Z}", "campaign": "c", "sub1": hostile}
    file = tmp_path / "clicks.jsonl"
    file.write_text(json.dumps(click))
    assert tnc("import", "clicks", str(file)).code == 0

    text, table = (tnc("report", "--where", "sub1=other", *more) for more in ((), ("--csv",)))

    assert text.out.count("Nothing matches") == 1
    assert "Nothing matches" not in text.err
    assert table.err.count("note: Nothing matches") == 1
    for shown in (text.out, text.err, table.out, table.err):
        assert "\x1b" not in shown
        assert "\u202e" not in shown
