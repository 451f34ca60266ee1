"""Makes a data directory with the tnc of the present folder: `python make.py FOLDER`, from a checkout of that version.

`v1.tar.gz` was made so from commit b349870, the last one without migrations: control database and day files are
of format 1, and the server was killed, so that their newest rows are in write-ahead logs. Everybody in it is invented.
`facts.json` says what the commands of that version told of it.
"""

import http.client
import json
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path
from typing import Any

CAMPAIGNS = """
[[source]]
id = "ads"
click_id = "ext"
params = { sub1 = "site" }
postback = { url = "https://ads.example/postback?id={external_id}&revenue={payout}", on = ["sale"] }

[[network]]
id = "good"
statuses = { sale = ["approved"] }

[[offer]]
id = "shoes"
network = "good"
url = "https://shop.example/shoes?s2={click_id}"
payout = 12.5

[[lander]]
id = "quiz"
url = "https://land.example/quiz?s2={click_id}"

[[campaign]]
id = "summer"
source = "ads"
cost = { model = "cpc", amount = 0.25, currency = "USD" }
[[campaign.flow]]
id = "all"
landers = [ { id = "quiz" } ]
offers = [ { id = "shoes" } ]
"""
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Server:
    def __init__(self, data: Path) -> None:
        self.command = (sys.executable, "-m", "tnc", "--config", str(data / "config.toml"))
        self.process = subprocess.Popen((*self.command, "serve"), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        found = re.search(r"tracking=http://([^ ]+):(\d+)", self.process.stdout.readline())
        assert found is not None
        self.address = found[1], int(found[2])

    def get(self, target: str, visitor: int = 0) -> str:
        """Where a request is sent, or what it is answered; `visitor` is the end of the address."""
        connection = http.client.HTTPConnection(*self.address, timeout=10)
        connection.request("GET", target, headers={"X-Forwarded-For": f"203.0.113.{visitor}", "User-Agent": AGENT})
        answer = connection.getresponse()
        return answer.headers["Location"] or answer.read().decode()

    def tnc(self, *words: str) -> Any:
        done = subprocess.run((*self.command, *words), check=True, capture_output=True, text=True)
        return json.loads(done.stdout)


def make(folder: Path) -> None:
    data = folder / "data"
    free = ("--listen", "127.0.0.1:0", "--dashboard", "127.0.0.1:0", "--trusted-proxy", "127.0.0.0/8")
    init = (sys.executable, "-m", "tnc", "init", "--data", str(data), *free, "--owner-email", "owner@example.com")
    subprocess.run(init, check=True, stdout=subprocess.DEVNULL)
    config = data / "config.toml"
    terms = "[retention]\nclicks_days = 3650\nrollups_days = 3650\nsupport_days = 3650\n"  # so that it stays as it is
    config.write_text(config.read_text().replace("[retention]\n", terms))
    (folder / "campaigns.toml").write_text(CAMPAIGNS)
    command = (sys.executable, "-m", "tnc", "--config", str(config))
    subprocess.run((*command, "apply", str(folder / "campaigns.toml")), check=True, stdout=subprocess.DEVNULL)
    server = Server(data)
    try:
        facts = fill(server, folder)
    finally:
        server.process.kill()
        server.process.wait()
    (folder / "facts.json").write_text(json.dumps(facts, indent=2) + "\n")
    with tarfile.open(folder / "v1.tar.gz", "w:gz") as tar:
        for name in ("data", "data.key"):
            tar.add(folder / name, name, filter=lambda each: None if each.name.endswith(("-shm", "socket")) else each)


def fill(server: Server, folder: Path) -> dict[str, Any]:
    sent = [server.get(f"/summer?ext=ad-{n}&site=s{n % 3}", n) for n in range(1, 13)]
    clicks = [re.search(r"s2=([0-9a-z]+)", each)[1] for each in sent]  # type: ignore[index]
    for n, click in enumerate(clicks[:6], 1):
        server.get(f"/click?cid={click}", n)
    for n, click in enumerate(clicks[:4]):
        server.get(f"/postback?cid={click}&payout={10 + n}&status=approved&txid=T{n}")
    server.get("/postback?cid=0000000000000000000000000000&payout=1")
    old = folder / "old.jsonl"
    stories = server.tnc("click", clicks[4], "--json")
    stories |= {"click_id": "imported-1", "clicked_at": "2026-11-02T10:00:00.000Z"}
    old.write_text(json.dumps(stories) + "\n")
    server.tnc("import", "clicks", str(old), "--json")
    request = server.tnc(
        "privacy",
        "request",
        "add",
        "access",
        "--channel",
        "letter",
        "--text",
        "What do you know?",
        "--contact",
        "ann@example.com",
        "--click",
        clicks[7],
        "--json",
    )
    erased = server.tnc("privacy", "erase", "--click", clicks[0], "--json")
    server.tnc("privacy", "restrict", "--click", clicks[1], "--json")
    server.tnc("privacy", "object", "--click", clicks[2], "--json")
    backup = server.tnc("backup", "create", "--json")
    last = re.search(r"s2=([0-9a-z]+)", server.get("/summer?ext=ad-99", 99))[1]  # type: ignore[index]
    time.sleep(1)
    return {
        "clicks": [*clicks, last],
        "erased": clicks[0],
        "restricted": clicks[1],
        "objecting": clicks[2],
        "requested": request,
        "receipt": erased,
        "backup": Path(backup["file"]).name,
        "report": server.tnc("report", "--by", "offer", "--from", "2026-11-01", "--to", "2027-01-01", "--json"),
        "found": server.tnc("privacy", "find", "--click", clicks[3], "--json"),
        "versions": server.tnc("versions", "--json"),
    }


if __name__ == "__main__":
    make(Path(sys.argv[1]))
