"""A request as it would go over the wire, the answer to it, and the same without its secrets."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal
from urllib.parse import quote, quote_plus

MASK: Final = "***"
SHORT: Final = 6  # characters; see `HttpRequest.masked`
BODY_LIMIT: Final = 64 * 1024  # bytes of an answer that are read at all

Headers = Mapping[str, str]
Trouble = Literal["forbidden-address", "dns", "tls", "connect", "timeout", "broken"]


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Grant:
    """The right to fetch a short-lived token with a long-lived one (OAuth 2, grant refresh_token)."""

    token_url: str
    client_id: str
    client_secret: str
    refresh_token: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class HttpRequest:
    """Never printed as it is: `shown` and `masked` are for people."""

    method: Literal["GET", "POST"]
    url: str
    headers: Headers = field(default_factory=dict)
    body: bytes | None = None
    secrets: tuple[str, ...] = ()
    keys_in_url: tuple[str, ...] = ()  # the owner wrote them into an address: masked, and no reason against plain http
    grant: Grant | None = None  # a bearer token has to be fetched and added first

    def with_bearer(self, token: str) -> "HttpRequest":
        headers = {"Authorization": f"Bearer {token}", **self.headers}
        return replace(self, headers=headers, secrets=(*self.secrets, token), grant=None)

    def masked(self, text: str) -> str:
        """A text of this request or of the answer to it with every secret, in any of its spellings, as `***`.

        A secret that is so short that it stands everywhere by chance is found only where it stands alone.
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
        if len(secret) < SHORT:
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
    """What came back: a status with its headers (lower-case names) and the body's beginning, or `trouble`."""

    status: int = 0  # 0: no answer at all
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
