"""The recipes of CONTRIBUTING.md, followed in a copy of the package: each change must work, and no other be needed.

The recipe for a destination type is followed by tests/e2e/test_new_platform.py, the one for a column by
tests/privacy/test_data_map.py.
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

import tnc
from tnc.admin.bench.server_process import ServerProcess

CAMPAIGN = """
[[offer]]
id = "shoes"
url = "https://shop.example/?class={traffic}"
notes = "ask for a higher payout"

[[offer]]
id = "plain"
url = "https://shop.example/plain"

[[campaign]]
id = "summer"
[[campaign.flow]]
id = "savers"
when = [ { fact = "save_data", is = [true] }, { fact = "language", misses = ["d", "f"] } ]
offers = [ { id = "shoes" } ]
[[campaign.flow]]
id = "rest"
offers = [ { id = "plain" } ]
"""
COMMAND = '''
"""`tnc greet`: a command that is made for a test."""

import click


@click.command()
def greet() -> None:
    """Greet."""
    click.echo("hello")
'''
OPERATOR = """

def misses(needles: Iterable[str]) -> Predicate:
    holds = contains(needles)
    return lambda text: not holds(text)
"""


class Copy:
    """The package with the recipes followed, and a data directory for its commands."""

    def __init__(self, folder: Path) -> None:
        self.package = folder / "tnc"
        self.data = folder / "data"
        # -P: the copy, not the package of the folder that the tests run in.
        self.python = ("env", f"PYTHONPATH={folder}", sys.executable, "-P", "-m", "tnc")
        shutil.copytree(Path(tnc.__file__).parent, self.package, ignore=shutil.ignore_patterns("__pycache__"))

    def insert(self, file: str, after: str, text: str) -> None:
        path = self.package / file
        before, found, rest = path.read_text(encoding="utf-8").partition(after)
        assert found, f"{file} has no {after!r}: the recipe is out of date"
        path.write_text(before + found + text + rest, encoding="utf-8")

    def run(self, *words: str) -> str:
        config = ("--config", str(self.data / "config.toml")) if self.data.exists() else ()
        done = subprocess.run([*self.python, *config, *words], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Copy:
    made = Copy(tmp_path_factory.mktemp("copy"))
    # a fact about a visitor
    fact = '    save_data: Annotated[bool | None, quasi("Save-Data: on was sent")] = None\n'
    made.insert("core/models.py", 'quasi("Sec-GPC: 1 was sent")] = False\n', fact)
    value = '            save_data=request.headers.get("save-data") == "on",\n'
    made.insert("visitors/visit.py", "            gpc=self.signals.gpc,\n", value)
    # a report dimension made from the time
    quarter = "strftime(local, '%Y') || '-Q' || quarter(local)"
    made.insert(
        "reports/dimensions.py", "_TIMES: Final = (\n", f'    _of_time("quarter", "like 2026-Q4", "{quarter}"),\n'
    )
    # an operator for conditions
    made.insert("core/models.py", "Operator = Literal[", '"misses", ')
    made.insert("rules/vocabulary.py", '    "language": ("is", "not"', ', "misses"')
    made.insert("rules/operators.py", "    return holds\n", OPERATOR)
    language = (
        '    if condition.operator == "misses":\n        return operators.misses(read_each(condition, read_text))\n'
    )
    made.insert("rules/conditions.py", "def _language(_: Fact, condition: Condition) -> Predicate:\n", language)
    made.insert("rules/describe.py", '    "is": "is",\n', '    "misses": "does not contain",\n')
    # a macro
    made.insert(
        "rules/macros.py", "MACROS: Final[Mapping[str, str]] = {\n", '    "traffic": "traffic class of the visit",\n'
    )
    made.insert("rules/macro_values.py", "    **{name: _of_click(name) for name in _OF_CLICK},\n", (
        '    "traffic": _of_click("visit.traffic"),\n'
    ))  # fmt: skip
    # a key in campaign files
    made.insert(
        "core/models.py", "class Offer:\n    id: OfferId\n    name: str\n    url: str\n", '    notes: str = ""\n'
    )
    made.insert(
        "campaigns/schema.py", "    keys_of(\n        Offer,\n", '        notes=Key(shape=Text(), text="for people"),\n'
    )
    # a setting in config.toml
    setting = '    motto: Annotated[str, Setting(ASCII, "What this server is proud of.")] = "none"\n'
    made.insert("core/settings.py", 'Setting(CURRENCY, "Currency of reports that name none.")] = "USD"\n', setting)
    # a job
    made.insert(
        "app.py", "    return Jobs(\n        (\n", '            Job("beat", "beat the drum", HOUR, lambda: None),\n'
    )
    # a command
    (made.package / "cli" / "greet.py").write_text(COMMAND, encoding="utf-8")
    made.insert("cli/main.py", "COMMANDS: Final[Mapping[str, str]] = {\n", '    "greet": "tnc.cli.greet:greet",\n')

    made.run("init", "--data", str(made.data), "--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0")
    file = made.package.parent / "summer.toml"
    file.write_text(CAMPAIGN, encoding="utf-8")
    made.run("apply", str(file))
    return made


def tried(copy: Copy, *words: str, language: str = "en") -> dict[str, Any]:
    facts: dict[str, Any] = json.loads(copy.run("try", "summer", "--language", language, *words, "--json"))["facts"]
    return facts


SAVES = ("--header", "Save-Data: on")


def test_a_fact_is_in_conditions_reports_and_the_data_map(copy: Copy) -> None:
    data_map = json.loads(copy.run("privacy", "map", "--json"))

    assert [tried(copy, *SAVES)["flow"], tried(copy)["flow"]] == ["savers", "rest"]
    assert json.loads(copy.run("report", "--by", "save_data", "--json"))["by"] == ["save_data"]
    assert {each["class"] for each in data_map if each["column"] == "save_data"} == {"quasi"}


def test_a_dimension_made_from_the_time_groups_clicks(copy: Copy) -> None:
    clicks = copy.package.parent / "clicks.jsonl"
    clicks.write_text('{"click_id": "one", "clicked_at": "2026-11-23T12:00:00Z", "campaign": "summer"}\n')
    copy.run("import", "clicks", str(clicks))

    report = json.loads(copy.run("report", "--by", "quarter", "--from", "2026-11-01", "--to", "2026-12-01", "--json"))

    assert [(row["quarter"], row["visits"]) for row in report["rows"]] == [("2026-Q4", 1)]


def test_an_operator_decides_and_is_described(copy: Copy) -> None:
    assert tried(copy, *SAVES, language="de")["flow"] == "rest"
    assert "language does not contain d or f" in copy.run("try", "summer", "--language", "en", *SAVES)


def test_a_macro_is_filled_in(copy: Copy) -> None:
    facts = tried(copy, *SAVES)

    assert facts["destination"] == f"https://shop.example/?class={facts['traffic']}"


def test_a_key_of_campaign_files_is_stored_and_exported(copy: Copy) -> None:
    exported = {each["id"]: each for each in tomllib.loads(copy.run("export"))["offer"]}

    assert exported["shoes"]["notes"] == "ask for a higher payout"
    assert "notes" not in exported["plain"]


def test_a_setting_is_written_and_read(copy: Copy) -> None:
    text = (copy.data / "config.toml").read_text(encoding="utf-8")

    assert re.search(r'^# What this server is proud of\.\n(?:# .*\n)*# motto = "none"$', text, re.MULTILINE)


def test_a_command_can_be_typed(copy: Copy) -> None:
    assert copy.run("greet") == "hello\n"
    assert "Greet." in copy.run("--help")


@pytest.mark.e2e
def test_a_job_is_listed_and_run_by_the_server(copy: Copy) -> None:
    with ServerProcess(copy.data, python=copy.python) as server:
        server.serve()

        assert "beat the drum" in server.command("jobs").stdout
        assert server.command("run", "beat").returncode == 0
