"""install.sh, as a newcomer and as an accident would run it."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SCRIPT = ROOT / "install.sh"


def run(*command: str | Path, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env=os.environ | environment, capture_output=True, text=True, check=False, timeout=240
    )


def test_the_script_is_plain_posix_shell() -> None:
    assert run("sh", "-n", SCRIPT).stderr == ""
    assert SCRIPT.read_text(encoding="utf-8").startswith("#!/bin/sh\n")


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="shellcheck is not installed")
def test_shellcheck_has_nothing_to_say() -> None:
    assert run("shellcheck", "--shell", "sh", SCRIPT).stdout == ""


def pins(lock: str) -> set[str]:
    return set(re.findall(r"^([\w.-]+==\S+)", (ROOT / lock).read_text(encoding="utf-8"), re.MULTILINE))


def test_the_lock_with_the_test_tools_holds_everything_of_the_plain_one() -> None:
    assert pins("requirements.lock") <= pins("requirements-dev.lock")


def test_everything_that_the_project_needs_is_locked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    for lock, needed in (
        ("requirements.lock", project["project"]["dependencies"]),
        ("requirements-dev.lock", project["dependency-groups"]["dev"]),
    ):
        locked = {pin.partition("==")[0].lower().replace("_", "-") for pin in pins(lock)}
        assert {re.split(r"[<>=]", each)[0] for each in needed} <= locked


def test_whatever_lies_in_the_package_is_installed_with_it() -> None:
    """A page that shipped without its newest parts was a fault of another tracker."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = [each.removeprefix("**/") for each in project["tool"]["setuptools"]["package-data"]["tnc"]]
    lying = [file for file in (ROOT / "tnc").rglob("*") if file.is_file() and "__pycache__" not in file.parts]

    assert [file.name for file in lying if not any(file.match(each) for each in ("*.py", *patterns))] == []


def test_the_python_inside_the_script_imports_what_exists() -> None:
    programs = re.findall(r"<<'CODE'\n(.*?)^CODE$", SCRIPT.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    imports = [line for program in programs for line in program.splitlines() if line.startswith(("import ", "from "))]

    assert any("tnc" in line for line in imports)
    done = run(sys.executable, "-c", "\n".join(imports))
    assert done.returncode == 0, done.stderr


def test_help_names_every_way_to_call_it() -> None:
    shown = run(SCRIPT, "--help")
    assert shown.returncode == 0
    for way in ("--demo", "--no-serve", "--test", "--check", "--uninstall", "--purge", "TNC_VENV"):
        assert way in shown.stdout


@pytest.mark.parametrize("arguments", [["--demmo"], ["--demo", "--serve"], ["--check", "now"]])
def test_a_wrong_argument_is_named_and_nothing_is_done(arguments: list[str]) -> None:
    refused = run(SCRIPT, *arguments)
    assert refused.returncode == 2
    assert f'"{arguments[-1]}"' in refused.stderr


def test_a_copy_that_was_cut_off_does_nothing(tmp_path: Path) -> None:
    whole = SCRIPT.read_bytes()
    end = len(whole)
    cut = tmp_path / "install.sh"
    for length in {*range(0, end, 331), *range(end - 20, end - 1)}:
        cut.write_bytes(whole[:length])
        assert run("sh", cut, "--help").stdout == "", length
    cut.write_bytes(whole)
    assert "--demo" in run("sh", cut, "--help").stdout


@pytest.mark.skipif(os.getuid() != 0, reason="only root can step down to a user without rights")
def test_the_service_is_refused_to_others_than_root_before_anything_changes() -> None:
    with SCRIPT.open("rb") as script:
        refused = subprocess.run(
            ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh"],
            stdin=script, cwd="/", capture_output=True, text=True, check=False, timeout=240,
        )  # fmt: skip
    assert refused.returncode == 1
    assert "no    root" in refused.stdout
    assert "Nothing was changed" in refused.stderr


def test_an_environment_that_is_not_one_is_named() -> None:
    refused = run(SCRIPT, "--demo", "--no-serve", TNC_VENV="/nowhere")
    assert refused.returncode == 1
    assert "/nowhere" in refused.stderr


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A fresh clone, as far as the demo needs it."""
    shutil.copytree(ROOT / "tnc", tmp_path / "tnc", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(SCRIPT, tmp_path)
    return tmp_path


def test_a_demo_that_was_not_finished_is_named_and_left_alone(copy: Path) -> None:
    unfinished = copy / "demo-data"
    unfinished.mkdir()
    (unfinished / "sign-in").write_text("password=none\n")

    refused = run(copy / "install.sh", "--demo", "--no-serve", TNC_VENV=sys.prefix)

    assert refused.returncode == 1
    assert "rm -r demo-data demo-data.key" in refused.stderr
    assert [file.name for file in unfinished.iterdir()] == ["sign-in"]


@pytest.mark.timeout(600)  # three starts and an import on a machine that may be busy
def test_the_demo_is_prepared_by_one_command_and_stays_as_it_is_by_the_next(copy: Path) -> None:
    first = run(
        copy / "install.sh", "--demo", "--no-serve",
        TNC_VENV=sys.prefix, TNC_DEMO_LISTEN="127.0.0.1:18080", TNC_DEMO_DASHBOARD="127.0.0.1:18400",
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    for shown in ("http://127.0.0.1:18080/shoes", "http://127.0.0.1:18400", "owner@example.com"):
        assert shown in first.stdout
    settings = tomllib.loads((copy / "demo-data" / "config.toml").read_text(encoding="utf-8"))
    assert settings

    def visits() -> list[dict[str, object]]:
        told = run(
            sys.executable, "-m", "tnc", "--config", "demo-data/config.toml",
            "report", "--by", "campaign", "--from", "40d", "--json", cwd=copy,
        )  # fmt: skip
        rows: list[dict[str, object]] = json.loads(told.stdout)["rows"]
        return rows

    before = visits()
    assert {row["campaign"] for row in before} == {"shoes", "boots-search"}
    second = run(copy / "install.sh", "--demo", "--no-serve", TNC_VENV=sys.prefix)
    assert second.returncode == 0, second.stderr
    assert second.stdout.strip() == first.stdout[first.stdout.index("== tnc is ready") :].strip()
    assert visits() == before
