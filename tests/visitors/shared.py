"""Test data beside the repository. Without it, tests run on the cases written in them, or are skipped."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

DATA: Final = Path(__file__).parents[3] / "shared" / "data"


def cases(name: str) -> list[Any]:
    """The cases of one file, or none."""
    path = DATA / name
    if not path.exists():
        return []
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()] if name.endswith("l") else json.loads(text)


def needed(name: str) -> Path:
    """The path of a file, or the test is skipped."""
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{name} is not beside this repository")
    return path
