# ruff: noqa: RUF001 - full-width signs, which some spreadsheets calculate too
"""Formulas in values: no CSV of ours starts a cell with something that a spreadsheet calculates."""

import csv
import io
from urllib.parse import quote

import pytest

from tests.security.target import Target

pytestmark = pytest.mark.e2e

FORMULAS = ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1+1", "\r=1+1", "=cmd|' /C calc'!A0", "＝1+1", "＋1", "－1", "＠x")
DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "＝", "＋", "－", "＠")


def cells(text: str) -> list[str]:
    rows = list(csv.reader(io.StringIO(text)))
    return [cell for row in rows for cell in row if not _is_number(cell)]


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True


def test_reports_of_the_command_and_of_the_dashboard(target: Target) -> None:
    for formula in FORMULAS:
        assert target.get(f"/go?site={quote(formula, safe='')}").status == 302
    printed = target.tnc("report", "--by", "sub1", "--from", "today", "--csv")
    assert printed.returncode == 0, printed.stderr
    page = target.dashboard("/reports.csv?by=sub1&from=today")
    assert page.status == 200
    for text in (printed.stdout, page.body):
        assert [cell for cell in cells(text) if cell.startswith(DANGEROUS)] == []
        assert "1+1" in text
