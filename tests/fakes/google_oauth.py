"""Google's OAuth token endpoint, for both of its conversion APIs."""

from dataclasses import dataclass, field

from aiohttp import web

from tests.fakes.receiver import Receiver


@dataclass(kw_only=True)
class Google(Receiver):
    client: tuple[str, str] = ("client.apps.example", "clientsecret")
    refresh_token: str = "1//refresh"
    given: list[str] = field(default_factory=list)  # only the newest is good

    async def token(self, request: web.Request) -> web.Response:
        form = await request.post()
        if (form.get("client_id"), form.get("client_secret")) != self.client:
            return web.json_response({"error": "invalid_client"}, status=401)
        if form.get("grant_type") != "refresh_token" or form.get("refresh_token") != self.refresh_token:
            return web.json_response({"error": "invalid_grant"}, status=400)
        self.given.append(f"ya29.{len(self.given)}")
        return web.json_response({"access_token": self.given[-1], "expires_in": 3599, "token_type": "Bearer"})

    def is_known(self, request: web.Request) -> bool:
        return bool(self.given) and request.headers.get("Authorization") == f"Bearer {self.given[-1]}"


def problem(status: int, code: str, message: str, details: list[dict[str, object]] | None = None) -> web.Response:
    error = {"code": status, "message": message, "status": code, "details": details or []}
    return web.json_response({"error": error}, status=status)


def unauthenticated() -> web.Response:
    return problem(401, "UNAUTHENTICATED", "Request had invalid authentication credentials.")
