"""The jobs of a running server, listed and run from the command line."""

from tests.e2e.shop import ask, run_json
from tnc.admin.bench.server_process import ServerProcess


def test_jobs_are_listed_and_one_is_run_now(server: ServerProcess) -> None:
    ask(server, "/summer?n=1")

    done = server.command("run", "feed-columns", "--json")
    unknown = server.command("run", "make-coffee")

    assert done.returncode == 0, done.stderr
    listed = {each["job"]: each for each in run_json(server, "jobs")}
    assert (listed["feed-columns"]["failed"], listed["retention"]["last_at"]) == (False, None)
    assert listed["feed-columns"]["last_at"] is not None
    assert list((server.data / "columns").rglob("clicks-*.parquet"))
    assert unknown.returncode == 3
    assert "there is no job 'make-coffee'; there are: turn-day, " in unknown.stderr


def test_without_a_server_the_error_names_the_server(stopped: ServerProcess) -> None:
    done = stopped.command("jobs")

    assert done.returncode != 0
    assert "type: tnc serve" in done.stderr
