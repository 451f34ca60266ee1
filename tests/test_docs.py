"""The texts and the program cannot disagree, because this compares them."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("bench/*.md")])
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)


def anchors(page: Path) -> set[str]:
    """The ids that a heading gets where these pages are shown."""
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    for link in LINK.findall(FENCE.sub("", page.read_text(encoding="utf-8"))):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        file, _, anchor = link.partition("#")
        target = page.parent / file if file else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def tracked() -> list[Path]:
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is not a git clone")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True)
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_folder_of_the_machine_it_was_written_on() -> None:
    machine = re.compile(rb"/(?:root|work|Users|home/[a-z]+)/[A-Za-z0-9._]")
    found = [str(file.relative_to(ROOT)) for file in tracked() if machine.search(file.read_bytes())]
    assert found == []


def test_nothing_is_left_to_be_done() -> None:
    mark = re.compile(rb"\b(?:TO" rb"DO|FIX" rb"ME)\b")
    sources = [file for file in tracked() if file.suffix in {".py", ".sh", ".css", ".js", ".html", ".md", ".toml"}]
    allowed = {"CONTRIBUTING.md", "pyproject.toml"}  # which say so
    assert [file.name for file in sources if mark.search(file.read_bytes()) and file.name not in allowed] == []
