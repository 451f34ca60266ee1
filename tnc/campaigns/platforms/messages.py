"""An HTTP request to a platform and its answer, as values: built, shown and read without sending anything."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import quote, quote_plus

MASK: Final = "***"
SHORTEST_REPLACED: Final = 6  # characters; see `HttpRequest.masked`
BODY_LIMIT: Final = 64 * 1024  # bytes of an answer that are read at all

Headers = Mapping[str, str]
Trouble = Literal["forbidden-address", "dns", "tls", "connect", "timeout", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grant:
    """What an access token is fetched with (OAuth 2, grant_type refresh_token)."""

    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpRequest:
    """Holds secrets: only `shown` and `masked` may be printed or stored."""

    method: Literal["GET", "POST"]
    url: str
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[str, ...] = ()  # masked wherever they are shown; never sent over plain http
    keys_in_url: tuple[str, ...] = ()  # written into a URL by the owner: masked, but allowed over plain http
    grant: Grant | None = None  # fetch an access token with it and add it before sending

    def with_bearer(self, token: str) -> "HttpRequest":
        headers = {"Authorization": f"Bearer {token}", **self.headers}
        return replace(self, headers=headers, secrets=(*self.secrets, token), grant=None)

    def masked(self, text: str) -> str:
        """`text` with every secret, plain, percent-encoded or JSON-escaped, replaced by `***`.

        A secret shorter than `SHORTEST_REPLACED` occurs in texts by chance: it is masked only where it is the whole
        text.
        """
        secrets = (*self.secrets, *self.keys_in_url)
        if text in secrets:
            return MASK
        for secret in sorted(_spellings(secrets), key=len, reverse=True):
            text = text.replace(secret, MASK)
        return text

    def shown(self) -> dict[str, Any]:
        """`{"method", "url", "headers", "body"}`: the body an object if it is JSON, else text, or None."""
        headers = {"Authorization": f"Bearer {MASK}"} if self.grant else {}
        headers |= {name: self.masked(value) for name, value in self.headers.items()}
        return {"method": self.method, "url": self.masked(self.url), "headers": headers, "body": self._shown_body()}

    def _shown_body(self) -> Any:
        if self.body is None:
            return None
        if "json" in self.headers.get("Content-Type", ""):
            return self._masked_json(json.loads(self.body))
        return self.masked(self.body.decode())

    def _masked_json(self, value: Any) -> Any:
        match value:
            case str():
                return self.masked(value)
            case dict():
                return {name: self._masked_json(each) for name, each in value.items()}
            case list():
                return [self._masked_json(each) for each in value]
            case _:
                return value


def _spellings(secrets: tuple[str, ...]) -> Iterator[str]:
    for secret in secrets:
        if len(secret) < SHORTEST_REPLACED:
            continue
        yield from {secret, quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1]}


def json_request(
    url: str,
    payload: Mapping[str, Any],
    *,
    headers: Headers | None = None,
    secrets: tuple[str, ...],
    grant: Grant | None = None,
) -> HttpRequest:
    body = json.dumps(payload, separators=(",", ":"), ensure_ascii=False).encode()
    headers = {"Content-Type": "application/json", **(headers or {})}
    return HttpRequest(method="POST", url=url, headers=headers, body=body, secrets=secrets, grant=grant)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Answer:
    """Status, headers (lower-case names) and the first `BODY_LIMIT` bytes of the body; `trouble` when none came."""

    status: int = 0
    headers: Headers = field(default_factory=dict)
    body: bytes = b""
    trouble: Trouble | None = None

    def json(self) -> dict[str, Any] | None:
        """The body if it is a JSON object. HTML, half a body or a list is None."""
        try:
            found = json.loads(self.body)
        except ValueError:
            return None
        return found if isinstance(found, dict) else None

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")
