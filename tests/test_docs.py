"""The texts and the program cannot disagree, because this compares them."""

import re
import shutil
import subprocess
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from tnc.campaigns.parse import read_toml
from tnc.cli import main as root
from tnc.core.models import CampaignId, Configuration, Visit
from tnc.rules import compile_configuration

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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_path_that_a_page_names_exists(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"(?<![\w./-])((?:tnc|tests|docs|bench)/[\w./-]*[\w/])", text)
    assert [path for path in paths if not (ROOT / path).exists()] == []


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


def test_the_first_campaign_of_the_readme_is_one() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    steps = "\n".join(textwrap.dedent(block) for block in re.findall(r"```toml\n(.*?)```", text, re.DOTALL))
    configuration = read_toml(steps, file="README.md", base=Configuration())
    decision = (
        compile_configuration(configuration, version=1).by_id[CampaignId("summer")].decide(Visit(visited_at_ms=0))
    )
    assert decision.offer == "shoes"


def commands(group: click.Group, path: tuple[str, ...] = ("tnc",)) -> Iterator[tuple[str, click.Command]]:
    """Every command that can be typed, by its full name."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None, name
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(commands(root.group))


def command_sections() -> dict[str, str]:
    text = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_command_is_documented_and_every_documented_command_exists() -> None:
    assert command_sections().keys() == COMMANDS.keys()


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does_and_what_its_options_mean(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    options = [each for each in command.params if isinstance(each, click.Option)]
    assert [each.opts for each in options if not each.help] == []
    missing = [each.opts[0] for each in options if each.opts[0] not in command_sections()[name]]
    assert [each for each in missing if each != "--json"] == []  # of which the top of the page speaks


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_named_in_its_example(name: str) -> None:
    fences = FENCE.findall(command_sections()[name])
    assert any(f"{name} " in fence or f"{name}\n" in fence for fence in fences)
