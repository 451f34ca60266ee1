"""Erasure, objection, restriction, retention and backups of a running server."""

import json
import re
import socket
import sqlite3
import subprocess
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from tests.e2e.shop import Stream, ask, click_of, postback, recorded, run_json
from tnc.admin.bench.server_process import ServerProcess, cpu_seconds

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:131.0) Gecko/20100101 Firefox/131.0 zz-CANARY-UA"
CANARY = {"User-Agent": AGENT, "Referer": "https://canary-referrer.example/page"}


def visit(server: ServerProcess, number: int) -> str:
    return click_of(ask(server, f"/summer?ext=canary-external-{number}&tnc_consent=granted", headers=CANARY))


def stores(answer: dict[str, object]) -> dict[str, int]:
    return {each["store"]: each.get("count", each.get("after")) for each in answer["stores"]}  # type: ignore[attr-defined]


def everything(data: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(data.rglob("*")) if path.is_file())


def test_a_visitor_is_found_erased_and_unknown_afterwards(server: ServerProcess) -> None:
    ids = [visit(server, number) for number in range(5)]
    other = click_of(ask(server, "/summer?ext=other&tnc_consent=granted"))
    assert postback(server, ids[0], payout="7", txid="T1").body == "ok"
    before = run_json(server, "report", "--by", "campaign,offer,day")
    found = run_json(server, "privacy", "find", "--click", ids[2])

    receipt = run_json(server, "privacy", "erase", "--click", ids[2])

    assert (stores(found)["clicks"], stores(found)["conversions"]) == (5, 1)
    assert set(stores(receipt).values()) == {0}
    assert receipt["scan"]["found_in"] == []
    assert recorded(server) == [other]
    after = run_json(server, "report", "--by", "campaign,offer,day")
    assert (after["rows"], after["totals"]) == (before["rows"], before["totals"])
    whole = everything(server.data)
    needles = [AGENT, CANARY["Referer"], "canary-external-1", *ids]
    assert [needle for needle in needles if needle.encode() in whole] == []
    assert postback(server, ids[0], payout="7", txid="T1").status == 404
    assert server.command("click", ids[0]).returncode == 3
    assert ids[0].encode() not in everything(server.data)
    again = run_json(server, "privacy", "erase", "--click", ids[2])
    assert {each["before"] for each in again["stores"]} == {0}


def test_a_receipt_is_verified_and_a_changed_one_is_not(server: ServerProcess, tmp_path: Path) -> None:
    visit(server, 1)
    receipt = run_json(server, "privacy", "erase", "--click", visit(server, 2))
    file = tmp_path / "receipt.json"
    file.write_text(json.dumps(receipt))

    assert server.command("privacy", "verify", str(file)).returncode == 0
    file.write_text(json.dumps(receipt | {"completed_at": "2020-01-01T00:00:00.000Z"}))
    assert server.command("privacy", "verify", str(file)).returncode == 1


def test_clicks_are_answered_during_an_erasure(server: ServerProcess) -> None:
    click = visit(server, 1)
    stream = Stream(server)
    with stream.running():
        stream.wait_for(200)
        receipt = run_json(server, "privacy", "erase", "--click", click)
        stream.wait_for(len(stream.replies) + 200)

    assert receipt["scan"]["found_in"] == []
    assert stream.answers.failed == 0
    assert set(stream.redirected) <= set(recorded(server))


def test_an_erasure_completes_after_a_kill(server: ServerProcess) -> None:
    click = visit(server, 1)
    run_json(server, "privacy", "erase", "--click", click)
    server.kill()
    server.serve()

    assert recorded(server) == []
    assert click.encode() not in everything(server.data)


def test_after_an_objection_visits_leave_no_trace(server: ServerProcess) -> None:
    first = ask(server, "/summer?tnc_consent=granted", headers=CANARY)
    cookie = first.headers["set-cookie"].partition(";")[0]
    run_json(server, "privacy", "object", "--click", click_of(first))

    again = ask(server, "/summer?tnc_consent=granted", headers=CANARY | {"Cookie": cookie})

    assert again.status == 302
    assert again.location.partition("?")[0] == first.location.partition("?")[0]
    assert recorded(server) == [click_of(first)]


def test_restricted_clicks_leave_reports_and_come_back(server: ServerProcess) -> None:
    ids = [visit(server, number) for number in range(3)]
    before = run_json(server, "report", "--by", "campaign")["totals"]

    run_json(server, "privacy", "restrict", "--click", ids[0])

    assert recorded(server) == []
    assert run_json(server, "report", "--by", "campaign")["totals"]["visits"] == 0
    assert stores(run_json(server, "privacy", "find", "--click", ids[1]))["restricted clicks"] == 3
    run_json(server, "privacy", "unrestrict", "--click", ids[1])
    assert sorted(recorded(server)) == sorted(ids)
    assert run_json(server, "report", "--by", "campaign")["totals"] == before


def test_a_day_can_be_deleted_while_clicks_arrive_for_it(server: ServerProcess) -> None:
    click = visit(server, 1)
    totals = run_json(server, "report", "--by", "campaign")["totals"]
    stream = Stream(server)
    with stream.running():
        stream.wait_for(100)
        dry = run_json(server, "retention", "run", "--as-of", "2099-01-01", "--dry-run")
        done = run_json(server, "retention", "run", "--as-of", "2099-01-01")
        stream.wait_for(len(stream.replies) + 200)

    assert totals["visits"] == 1
    assert len(dry["days"]) == len(done["days"]) > 0
    assert stream.answers.failed == 0
    assert server.command("click", click).returncode == 3
    there = recorded(server)
    assert there
    assert set(there) <= set(stream.redirected)
    assert set(stream.redirected[-100:]) <= set(there), "clicks after the deletion are missing"


def test_retention_times_are_shown_and_set(server: ServerProcess) -> None:
    visit(server, 1)

    done = run_json(server, "retention", "set", "clicks=30")

    assert done["set"] == {"clicks_days": 30}
    shown = {each["name"]: each["days"] for each in run_json(server, "retention", "show")["terms"]}
    assert shown["clicks"] == 30
    assert server.command("retention", "set", "clicks=0").returncode == 2
    assert len(recorded(server)) == 1


def test_a_backup_made_before_an_erasure_does_not_restore_the_erased_visitor(
    server: ServerProcess, tmp_path: Path
) -> None:
    gone = [visit(server, number) for number in range(3)]
    stays = click_of(ask(server, "/summer?ext=other&tnc_consent=granted"))
    made = run_json(server, "backup", "create", str(tmp_path / "copies"))
    run_json(server, "privacy", "erase", "--click", gone[0])

    tried = run_json(server, "backup", "verify", made["file"])
    back = run_json(server, "backup", "restore", made["file"], "--data", str(tmp_path / "again"))

    assert (made["clicks"], tried["records"], tried["opened"], tried["refused"]) == (4, 4, 1, 3)
    assert (back["clicks"], back["refused"]) == (1, 3)
    with ServerProcess(tmp_path / "again") as again:
        again.serve()
        assert recorded(again) == [stays]
        assert run_json(again, "report", "--by", "campaign")["totals"]["visits"] == 1
        assert postback(again, gone[0], payout="1").status == 404
        assert postback(again, stays, payout="1").body == "ok"


def test_logs_hold_no_personal_data_at_any_level(stopped: ServerProcess, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TNC_LOG_LEVEL", "debug")
    stopped.serve()
    ids = [visit(stopped, number) for number in range(5)]
    odd = ("/summer?x=%ff%fe&canary-query=1", "/click?cid=canary-cid", "/postback?cid=canary-cid&payout=x", "/canary")
    for target in odd:
        ask(stopped, target, headers=CANARY)
    ask(stopped, "/summer?ext=canary-large&x=" + "y" * 40_000, headers=CANARY)
    postback(stopped, ids[0], payout="canary-payout")
    for start in (b"GET /canary-slow HTTP/1.1\r\nUser-Agent: canary", b"\x16\x03canary", b"POST /privacy HTTP/1.1\r\n"):
        with socket.create_connection(stopped.tracking) as slow:
            slow.sendall(start)
            time.sleep(0.2)
    run_json(stopped, "privacy", "erase", "--click", ids[0])
    stopped.command("privacy", "find", "--ip", "canary-not-an-address")
    stopped.stop()

    log = stopped.log.read_text()
    asked = [json.loads(line) for line in log.splitlines() if '"event": "request"' in line]
    assert {"/postback", "/click", "/{unknown}"} <= {each["route"] for each in asked}
    assert {name for each in asked for name in each} == {"at", "level", "event", "route", "status", "ms"}
    needles = ["canary", "127.0.0.1:", "Firefox", *ids]
    assert [needle for needle in needles if needle in log] == []


def test_a_visitor_with_the_cookie_sees_downloads_and_erases_their_data_at_once(server: ServerProcess) -> None:
    """Without an account, a script or a third party, and with little work for the server."""
    before = cpu_seconds(server.pid)
    first = ask(server, "/summer?ext=canary-mine&tnc_consent=granted", headers=CANARY)
    cookie = {"Cookie": first.headers["set-cookie"].partition(";")[0]} | CANARY
    ask(server, "/summer?ext=canary-mine&tnc_consent=granted", headers=cookie)
    form = {**cookie, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}

    page = ask(server, "/privacy", headers=cookie)
    shown = ask(server, "/privacy", method="POST", headers=form, body=b"do=show")
    copy = ask(server, "/privacy", method="POST", headers=form, body=b"do=copy")
    erased = ask(server, "/privacy", method="POST", headers=form, body=b"do=erase&sure=yes")
    after = ask(server, "/privacy", method="POST", headers=form, body=b"do=show")

    assert cpu_seconds(server.pid) - before < 5
    assert re.findall(r'(?:src|href|action)="(?:https?:)?//', page.body) == []
    assert "<strong>2</strong> visits are stored" in shown.body
    assert copy.headers["content-type"] == "application/zip"
    assert "Your data is erased" in erased.body
    assert "This browser has our cookie" not in erased.body
    assert "Nothing is stored about it" in after.body
    assert recorded(server) == []
    kinds = {(each["kind"], each["state"]) for each in run_json(server, "privacy", "requests")}
    assert kinds == {("access", "fulfilled"), ("erasure", "fulfilled")}
    assert b"canary-mine" not in everything(server.data)


def test_after_an_opt_out_visits_are_only_counted(server: ServerProcess) -> None:
    stays = click_of(ask(server, "/summer?ext=other&tnc_consent=granted"))
    form = {"Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "same-origin"}
    answer = ask(server, "/privacy", method="POST", headers=form | CANARY, body=b"do=opt-out")
    assert "opted out of tracking" in answer.body
    before = {path.name for path in server.data.rglob("*") if path.is_file()}

    for number in range(20):
        sent = ask(server, f"/summer?ext=canary-out-{number}", headers=CANARY | {"Cookie": "tnc_out=1"})
        assert (sent.status, "set-cookie" in sent.headers) == (302, False)

    assert recorded(server) == [stays]
    whole = everything(server.data)
    assert [needle for needle in (AGENT, "canary-out", "canary-referrer") if needle.encode() in whole] == []
    assert {path.name for path in server.data.rglob("*") if path.is_file()} == before
    assert "canary" not in server.log.read_text()


def test_an_erasure_waits_for_a_reader_and_then_completes_by_itself(server: ServerProcess) -> None:
    click = visit(server, 1)
    (day,) = [path for path in (server.data / "days").rglob("*.db") if rows(path)]
    reader = sqlite3.connect(f"file:{day}?mode=ro", uri=True)
    reader.execute("begin")
    reader.execute("select count(*) from clicks").fetchone()
    asking: list[subprocess.CompletedProcess[str]] = []
    thread = threading.Thread(target=lambda: asking.append(server.command("privacy", "erase", "--click", click)))
    thread.start()
    while run_json(server, "privacy", "find", "--click", click)["stores"][0]["count"]:
        time.sleep(0.1)  # until its key is gone
    time.sleep(1)
    assert thread.is_alive(), "it did not wait for the reader"

    reader.close()
    thread.join(240)

    assert asking[0].returncode == 0
    assert json.loads(asking[0].stdout)["scan"]["found_in"] == []


def rows(day: Path) -> int:
    with closing(sqlite3.connect(f"file:{day}?mode=ro", uri=True)) as database:
        return int(database.execute("select count(*) from clicks").fetchone()[0])


def test_keys_rotate_while_clicks_arrive(server: ServerProcess, tmp_path: Path) -> None:
    old = (tmp_path / "data.key").read_text()
    stream = Stream(server)
    with stream.running():
        stream.wait_for(100)
        assert run_json(server, "keys", "rotate")["files"] >= 3
        stream.wait_for(len(stream.replies) + 100)

    assert stream.answers.failed == 0
    assert set(stream.redirected) <= set(recorded(server))
    assert run_json(server, "keys", "verify")["problems"] == []
    server.stop()
    new = (tmp_path / "data.key").read_text()
    (tmp_path / "data.key").write_text(old)
    refused = server.command("clicks")
    (tmp_path / "data.key").write_text(new)
    assert (refused.returncode, "does not open" in refused.stderr) == (4, True)
    assert set(stream.redirected) <= set(recorded(server))


def test_without_its_key_file_the_server_refuses_to_start(stopped: ServerProcess, tmp_path: Path) -> None:
    stopped.serve()
    visit(stopped, 1)
    stopped.stop()
    (tmp_path / "data.key").rename(tmp_path / "elsewhere.key")
    before = {path: path.read_bytes() for path in stopped.data.rglob("*") if path.is_file()}

    done = stopped.command("serve")

    assert done.returncode == 4
    assert "is missing" in done.stderr
    assert {path: path.read_bytes() for path in stopped.data.rglob("*") if path.is_file()} == before
    assert not (tmp_path / "data.key").exists()


def test_an_erasure_without_a_running_server_is_complete(stopped: ServerProcess) -> None:
    stopped.serve()
    click, other = visit(stopped, 1), click_of(ask(stopped, "/summer?ext=other&tnc_consent=granted"))
    stopped.stop()

    receipt = run_json(stopped, "privacy", "erase", "--click", click)

    assert receipt["scan"]["found_in"] == []
    stopped.serve()
    assert recorded(stopped) == [other]
    assert click.encode() not in everything(stopped.data)
