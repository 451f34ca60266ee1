"""From the first click to the report, against a real server."""

import json
import re
import subprocess
import tomllib
from concurrent.futures import ThreadPoolExecutor
from html import unescape
from pathlib import Path

import pytest

from tests.e2e.shop import Answer, all_clicks, ask, click_of, newest, postback, recorded, run_json, run_text
from tnc.admin.bench.server_process import ServerProcess


def test_a_click_is_sent_on_stored_explained_converted_and_reported(server: ServerProcess) -> None:
    answer = ask(
        server,
        "/summer?ext=abc-1&cpc=0.25&site=news.example&other=x%20y",
        headers={"Referer": "https://news.example/a"},
    )

    assert answer.status == 302
    assert answer.headers["cache-control"] == "no-store"
    click_id = click_of(answer)
    assert answer.location == f"https://shop.example/shoes?s2={click_id}&site=news.example"

    click = run_json(server, "click", click_id)
    assert (click["campaign"], click["source"], click["flow"], click["offer"]) == ("summer", "ads", "all", "shoes")
    assert (click["external_id"], click["cost"], click["sub1"]) == ("abc-1", 0.25, "news.example")
    assert click["params"] == {"ext": "abc-1", "cpc": "0.25", "site": "news.example", "other": "x y"}
    assert (click["browser"], click["traffic"], click["destination"]) == ("Firefox", "human", answer.location)

    explained = run_json(server, "explain", click_id)
    assert explained["same"] is True
    assert explained["recorded"] == explained["recomputed"]

    reply = postback(server, click_id, payout="12.50", currency="USD", status="pending", txid="T-1")
    assert (reply.status, reply.body) == (200, "ok")
    again = postback(server, click_id, payout="12.50", currency="USD", status="pending", txid="T-1")
    assert (again.status, again.body) == (200, "duplicate")
    assert postback(server, click_id, status="approved", txid="T-1").body == "ok"

    (conversion,) = run_json(server, "click", click_id)["conversions"]
    assert (conversion["status"], conversion["payout"], len(conversion["history"])) == ("sale", 12.5, 2)

    report = run_json(server, "report", "--by", "campaign,offer", "--from", "today")
    (row,) = report["rows"]
    assert (row["campaign"], row["offer"]) == ("summer", "shoes")
    assert (row["visits"], row["conversions"], row["sales"]) == (1, 1, 1)
    assert (row["revenue"], row["cost"], row["profit"]) == (12.5, 0.25, 12.25)
    assert report["totals"]["visits"] == 1


def test_the_click_log_is_newest_first_and_complete_at_once(server: ServerProcess) -> None:
    made = [click_of(ask(server, f"/summer?ext={number}")) for number in range(25)]

    assert recorded(server) == made


def test_following_the_click_log_leaves_out_no_click(server: ServerProcess) -> None:
    before = click_of(ask(server, "/summer"))
    words = [*server.python, "--config", str(server.config), "clicks", "--follow", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as following:
        assert following.stdout is not None
        lines = iter(following.stdout.readline, "")
        assert json.loads(next(lines))["click_id"] == before

        with ThreadPoolExecutor(8) as many:  # several clicks in the same millisecond
            made = [click_of(answer) for answer in many.map(lambda _: ask(server, "/summer"), range(60))]
        followed = [json.loads(next(lines))["click_id"] for _ in made]
        following.kill()

    assert sorted(followed) == sorted(made)


def test_commands_work_without_a_server(server: ServerProcess) -> None:
    click_id = click_of(ask(server, "/summer"))
    assert server.stop() == 0

    assert recorded(server) == [click_id]
    assert run_json(server, "explain", click_id)["same"] is True
    assert server.command("conversion", "add", "--click", click_id, "--payout", "3").returncode == 0
    assert len(run_json(server, "click", click_id)["conversions"]) == 1
    assert run_json(server, "report", "--by", "campaign", "--from", "today")["totals"]["sales"] == 1


def test_an_export_as_json_equals_the_export_as_toml(shared: ServerProcess) -> None:
    assert run_json(shared, "export") == tomllib.loads(run_text(shared, "export"))


def test_clicks_imported_from_another_tnc_are_shown_as_they_were_there(stopped: ServerProcess, tmp_path: Path) -> None:
    there: dict[str, object] = {"campaign": "summer", "action": "redirect", "destination": "https://there.example/"}
    clicks = [
        there | {"click_id": f"old-{version}", "clicked_at": "2026-11-23T14:05:06Z", "config_version": version}
        for version in (1, 7)
    ]
    file = tmp_path / "there.jsonl"
    file.write_text("\n".join(map(json.dumps, clicks)))

    first, second = (run_json(stopped, "import", "clicks", str(file)) for _ in range(2))

    assert (first["added"], second["added"], second["known"]) == (2, 0, 2)
    shown = {click["click_id"]: click for click in all_clicks(stopped)}
    assert {name: (click["config_version"], click["destination"]) for name, click in shown.items()} == {
        "old-1": (1, "https://there.example/"),
        "old-7": (7, "https://there.example/"),
    }


def test_try_shows_what_a_click_then_does(shared: ServerProcess) -> None:
    tried = run_json(shared, "try", "quizzed", "--ip", "203.0.113.7", "--user-agent", "Trier/1.0", "--query", "a=1")
    answer = ask(shared, "/quizzed?a=1", headers={"User-Agent": "Trier/1.0", "X-Forwarded-For": "203.0.113.7"})

    click = run_json(shared, "click", click_of(answer))
    assert {name: tried["decision"][name] for name in ("flow", "lander", "offer")} == {
        name: click[name] for name in ("flow", "lander", "offer")
    }


def test_try_refuses_an_invalid_ip_address(shared: ServerProcess) -> None:
    done = shared.command("try", "quizzed", "--ip", "203.0.113.300")

    assert (done.returncode, done.stdout) == (2, "")
    assert "'203.0.113.300' is no IP address" in done.stderr


# ----------------------------------------------------------------------------------- requests that are not visits


def test_head_gets_the_same_reply_and_is_not_recorded(shared: ServerProcess) -> None:
    answer = ask(shared, "/summer", method="HEAD")

    assert (answer.status, answer.body) == (302, "")
    assert shared.command("click", click_of(answer)).returncode == 3


@pytest.mark.parametrize(
    "header", [("Sec-Purpose", "prefetch"), ("Purpose", "prefetch"), ("X-Moz", "prefetch")], ids=str
)
def test_a_prefetch_is_answered_without_a_redirect_and_marked(shared: ServerProcess, header: tuple[str, str]) -> None:
    host = f"{header[0].lower()}.example"

    answer = ask(shared, "/summer", headers={"Host": host, header[0]: header[1]})

    assert answer.status == 503
    assert answer.headers["cache-control"] == "no-store"
    assert "location" not in answer.headers
    assert newest(shared)["traffic"] == "prefetch"
    where = f"domain={host}"
    assert run_json(shared, "report", "--by", "campaign", "--from", "today", "--where", where)["totals"]["visits"] == 0


def test_explain_and_try_show_a_prefetch_as_it_was_answered(shared: ServerProcess) -> None:
    ask(shared, "/summer", headers={"Sec-Purpose": "prefetch"})

    explained = run_json(shared, "explain", newest(shared)["click_id"])
    tried = run_json(
        shared, "try", "summer", "--user-agent", "Mozilla/5.0 Firefox/130.0", "--header", "Sec-Purpose: prefetch"
    )

    assert explained["same"] is True
    assert explained["recorded"]["action"] == tried["decision"]["action"] == "status"
    assert explained["recorded"]["destination"] is tried["decision"]["destination"] is None


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS"])
def test_another_method_is_refused(shared: ServerProcess, method: str) -> None:
    answer = ask(shared, "/summer", method=method)

    assert answer.status == 405
    assert answer.headers["allow"] == "GET, HEAD"


UNKNOWN = (
    "/",
    "/winter",
    "/summer/more",
    "/summery",
    "/-/",
    "/-/onward/x",
    "/click",
    "/click/2",
    "/../etc",
    "/%00",
    "//",
)


def test_an_unknown_path_reveals_nothing(shared: ServerProcess) -> None:
    before = recorded(shared)

    answers = [ask(shared, target, headers={"User-Agent": "Stranger/1.0"}) for target in UNKNOWN]

    assert {(answer.status, answer.body) for answer in answers} == {(404, "Not found")}
    assert {tuple(sorted(answer.headers)) for answer in answers} == {tuple(sorted(answers[0].headers))}
    assert not any("tnc" in value.lower() for answer in answers for value in answer.headers.values())
    assert recorded(shared) == before


def test_a_paused_campaign_answers_404(server: ServerProcess, tmp_path: Path) -> None:
    file = tmp_path / "paused.toml"
    file.write_text('[[campaign]]\nid = "summer"\npaused = true\n')

    server.apply(file)

    assert ask(server, "/summer").status == 404
    assert ask(server, "/quizzed").status == 302


# ------------------------------------------------------------------------------------------- redirects by a page


def refreshed(answer: Answer) -> str:
    """The target of a page's meta refresh."""
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    found = re.search(r'<meta http-equiv="refresh" content="0;url=([^"]+)"', answer.body)
    assert found is not None
    return unescape(found[1])


def test_a_double_meta_refresh_goes_through_a_page_of_the_tracking_domain(shared: ServerProcess) -> None:
    first = ask(shared, "/doubled")
    onward = refreshed(first)
    assert onward.startswith("/-/onward/")
    assert "shop.example" not in first.body
    assert first.headers["referrer-policy"] == "no-referrer"

    second = ask(shared, onward)
    click_id = newest(shared)["click_id"]
    assert refreshed(second) == f"https://shop.example/boots?s2={click_id}"
    assert second.headers["referrer-policy"] == "no-referrer"
    assert ask(shared, onward[:-2] + "xx").status == 404


def test_a_script_redirect_works_with_and_without_javascript(shared: ServerProcess) -> None:
    answer = ask(shared, "/scripted?site=" + "%22%3C%2Fscript%3E%27%E2%80%A8")

    click_id = newest(shared)["click_id"]
    found = re.search(r"location\.replace\((\".*?\")\)</script>", answer.body)
    assert found is not None
    assert json.loads(found[1]) == refreshed(answer)
    assert json.loads(found[1]).startswith(f"https://shop.example/shoes?s2={click_id}&")
    assert "</script>'" not in answer.body
    nonce = re.search(r'<script nonce="([^"]+)"', answer.body)
    assert nonce is not None
    assert f"'nonce-{nonce[1]}'" in answer.headers["content-security-policy"]


# ------------------------------------------------------------------------------------------------ landers


def test_a_lander_click_is_found_by_the_click_id(shared: ServerProcess) -> None:
    click_id = click_of(ask(shared, "/quizzed"))

    first = ask(shared, f"/click/1?cid={click_id}")
    second = ask(shared, f"/click/2?cid={click_id}")

    assert first.location == f"https://shop.example/boots?s2={click_id}"
    assert second.location.startswith(f"https://shop.example/shoes?s2={click_id}")
    assert run_json(shared, "click", click_id)["lander_clicked_at"] is not None
    assert ask(shared, f"/click/3?cid={click_id}").status == 404
    assert ask(shared, "/click?cid=nobody").status == 404


def test_a_lander_click_is_found_by_the_cookie(shared: ServerProcess) -> None:
    visit = ask(shared, "/quizzed?tnc_consent=granted", headers={"X-Forwarded-For": "203.0.113.9"})
    cookie = visit.headers["set-cookie"].partition(";")[0]

    away = ask(shared, "/click", headers={"Cookie": cookie, "User-Agent": "another", "X-Forwarded-For": "203.0.113.1"})

    assert click_of(away) == click_of(visit)
    assert run_json(shared, "click", click_of(visit))["lander_clicked_at"] is not None


def test_a_lander_click_is_found_by_the_pseudonym(shared: ServerProcess) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "Somebody/1.0"}
    visit = ask(shared, "/quizzed", headers=headers)

    assert click_of(ask(shared, "/click", headers=headers)) == click_of(visit)
    assert ask(shared, "/click", headers=headers | {"User-Agent": "Somebody/2.0"}).status == 404


def test_a_lander_click_is_found_by_the_pseudonym_after_a_restart(server: ServerProcess) -> None:
    headers = {"X-Forwarded-For": "203.0.113.9", "User-Agent": "Somebody/1.0"}
    visit = click_of(ask(server, "/quizzed", headers=headers))
    server.kill()
    server.serve()

    for _ in range(20):  # before and after the server has read the stored clicks
        assert click_of(ask(server, "/click", headers=headers)) == visit
        assert ask(server, "/click", headers=headers | {"User-Agent": "Somebody/2.0"}).status == 404


def test_a_second_lander_click_is_not_counted(server: ServerProcess) -> None:
    click_id = click_of(ask(server, "/quizzed"))
    for _ in range(3):
        assert ask(server, f"/click/1?cid={click_id}").status == 302

    totals = run_json(server, "report", "--by", "campaign", "--from", "today")["totals"]
    assert (totals["lander_views"], totals["lander_clicks"]) == (1, 1)


# -------------------------------------------------------------------------------------------------- postbacks


def test_postbacks_are_answered_as_documented(shared: ServerProcess) -> None:
    click_id = click_of(ask(shared, "/summer"))

    form = {"Content-Type": "application/x-www-form-urlencoded"}

    answers = [
        ask(shared, "/postback?cid=nobody&key=wrong"),
        postback(shared, click_id, key="wrong"),
        ask(shared, "/postback"),
        postback(shared, click_id, payout="lots"),
        postback(shared, click_id, currency="doubloons"),
        ask(shared, "/postback", method="POST", body=f"cid={click_id}&key=s3cret&txid=1".encode(), headers=form),
        ask(shared, f"/s3cret/postback?subid={click_id}&tid=2"),
        ask(shared, f"/click.php?cnv_id={click_id}&key=s3cret"),
        ask(shared, f"/gpb.php?subid={click_id}&amount=4&key=s3cret"),
    ]

    assert [answer.status for answer in answers] == [404, 403, 400, 400, 400, 200, 200, 200, 200]
    assert [answer.body for answer in answers[:2]] == ["unknown click", "wrong key"]
    assert all(
        "content-type" in answer.headers and "text/plain" in answer.headers["content-type"] for answer in answers
    )


@pytest.mark.parametrize("serving", [True, False])
def test_a_simulated_conversion_takes_every_step_and_is_not_counted(stopped: ServerProcess, *, serving: bool) -> None:
    if serving:
        stopped.serve()

    walk = run_json(stopped, "conversion", "simulate", "capped")

    assert walk["ok"] is True
    assert [(step["step"], step["ok"]) for step in walk["steps"]] == [
        (step, True) for step in ("click", "record", "postback", "conversion", "not counted")
    ]
    click = run_json(stopped, "click", walk["click_id"])
    assert [each["status"] for each in click["conversions"]] == ["sale"]
    totals = run_json(stopped, "report", "--by", "campaign", "--from", "today")["totals"]
    assert (totals["visits"], totals["conversions"]) == (0, 0)
    assert stopped.command("conversion", "simulate", "nowhere").returncode == 3


def test_a_cap_is_exact_under_fifty_postbacks_at_once(server: ServerProcess) -> None:
    clicks = [click_of(ask(server, "/capped", headers={"User-Agent": f"Buyer/{n}"})) for n in range(50)]

    with ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(lambda click_id: postback(server, click_id, txid="T"), clicks[:6]))
        assert ask(server, "/capped").location.startswith("https://shop.example/few")
        replies += threads.map(lambda click_id: postback(server, click_id, txid="T"), [clicks[6]] * 50)

    assert {answer.status for answer in replies} == {200}
    assert sorted(answer.body for answer in replies[6:]) == ["duplicate"] * 49 + ["ok"]
    assert ask(server, "/capped").location.startswith("https://shop.example/boots")
    assert postback(server, clicks[0], txid="T", status="rejected").body == "ok"
    assert ask(server, "/capped").location.startswith("https://shop.example/few")

    server.stop()
    server.serve()
    assert ask(server, "/capped").location.startswith("https://shop.example/few")
    postback(server, clicks[7], txid="T")
    assert ask(server, "/capped").location.startswith("https://shop.example/boots")


def test_the_same_postback_fifty_times_at_once_is_one_conversion(shared: ServerProcess) -> None:
    click_id = click_of(ask(shared, "/summer"))

    with ThreadPoolExecutor(50) as threads:
        replies = list(threads.map(lambda _: postback(shared, click_id, txid="T").body, range(50)))

    assert sorted(replies) == ["duplicate"] * 49 + ["ok"]
    assert len(run_json(shared, "click", click_id)["conversions"]) == 1
