"""Short-lived tokens for those who want them: fetched with the long-lived one, kept until a minute before their end.

Facts: RFC 6749 section 6, oauth2.googleapis.com.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlencode

from tnc.deliver.request import Answer, Grant, HttpRequest
from tnc.deliver.verdict import Verdict, by_status, retry, stop, throttled

_EARLY_MS: Final = 60_000
_OPERATOR: Final = frozenset({"invalid_grant", "invalid_client", "unauthorized_client", "access_denied"})

Sender = Callable[[HttpRequest], Awaitable[Answer]]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Token:
    text: str
    until_ms: int


def token_request(grant: Grant) -> HttpRequest:
    form = {
        "client_id": grant.client_id,
        "client_secret": grant.client_secret,
        "refresh_token": grant.refresh_token,
        "grant_type": "refresh_token",
    }
    return HttpRequest(
        method="POST",
        url=grant.token_url,
        headers={"Content-Type": "application/x-www-form-urlencoded"},
        body=urlencode(form).encode(),
        secrets=(grant.client_secret, grant.refresh_token),
    )


def read_token(answer: Answer, now_ms: int) -> Token | Verdict:
    found = answer.json() or {}
    token, seconds = found.get("access_token"), found.get("expires_in", 3600)
    if answer.status == 200 and isinstance(token, str) and isinstance(seconds, int):
        return Token(text=token, until_ms=now_ms + seconds * 1000 - _EARLY_MS)
    error = found.get("error")
    if isinstance(error, str) and error in _OPERATOR:
        return stop(f"oauth-{error}: the refresh token or the client is not accepted; put new ones")
    if answer.status == 429:
        return throttled("oauth-429", answer)
    verdict = by_status(answer)
    return retry("oauth-not-json", answer) if verdict.outcome in ("done", "drop") else verdict


class Tokens:
    """The tokens that are good now, by grant."""

    def __init__(self) -> None:
        self._tokens: dict[Grant, Token] = {}

    async def get(self, grant: Grant, send: Sender, now_ms: int) -> Token | Verdict:
        token = self._tokens.get(grant)
        if token is not None and now_ms < token.until_ms:
            return token
        found = read_token(await send(token_request(grant)), now_ms)
        if isinstance(found, Token):
            self._tokens[grant] = found
        return found

    def forget(self, grant: Grant) -> None:
        """The receiver did not take it: the next request fetches another."""
        self._tokens.pop(grant, None)
