"""A strict fake of a traffic source's postback, which answers 200 to everything as many do."""

import re
from dataclasses import dataclass

from aiohttp import web

from tests.fakes.receiver import Receiver, start
from tests.fakes.strict import BadError, need


@dataclass(kw_only=True)
class Postback(Receiver):
    known_ids: frozenset[str] | None = None  # None: every id is known

    def check(self, params: dict[str, str], raw: str) -> None:
        need("YOUR_" not in raw, "query", "was not filled in")
        need(not re.search(r"[{}\s\"<>]|%7B|%7D", raw), "query", "holds a macro or a character that is not encoded")
        need(bool(params.get("id")), "id", "missing")
        need(self.known_ids is None or params["id"] in self.known_ids, "id", "unknown click")
        if amount := params.get("rev"):
            need(re.fullmatch(r"[0-9]+(\.[0-9]+)?", amount) is not None, "rev", "not a plain decimal")

    async def take(self, request: web.Request) -> web.Response:
        params = dict(request.query)
        raw = request.raw_path.partition("?")[2]
        if request.method == "POST":
            raw = (await request.read()).decode()
            params = {name: str(value) for name, value in (await request.post()).items()}
        try:
            self.check(params, raw)
        except BadError as error:
            self.refusals.append(str(error))
            return web.Response(text=f"ERROR {error}")
        self.events.append(params)
        return web.Response(text="OK")


def app(postback: Postback) -> web.Application:
    return postback.app([web.get("/pb", postback.take), web.post("/pb", postback.take)])


if __name__ == "__main__":
    start(lambda: app(Postback()), "a traffic source")
