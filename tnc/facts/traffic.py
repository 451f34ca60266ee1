"""Requests that nobody made on purpose: a browser that prefetches or previews what may be clicked later."""

from collections.abc import Mapping
from typing import Final

# https://wicg.github.io/nav-speculation/prefetch.html; the others are what browsers sent before it.
_OLD_FORMS: Final = (
    ("purpose", frozenset({"prefetch", "preview"})),
    ("x-purpose", frozenset({"preview", "instant", "prefetch"})),
    ("x-moz", frozenset({"prefetch"})),
)


_PURPOSES: Final = frozenset({"sec-purpose", *(name for name, _ in _OLD_FORMS)})


def is_prefetch(headers: Mapping[str, str]) -> bool:
    """Whether the request is ahead of a click. An unknown `Sec-Purpose` is a visit like any other."""
    if headers.keys().isdisjoint(_PURPOSES):
        return False
    purpose = headers.get("sec-purpose")
    if purpose is not None and "prefetch" in _tokens(purpose):
        return True
    for name, words in _OLD_FORMS:
        value = headers.get(name)
        if value is not None and not words.isdisjoint(_tokens(value)):
            return True
    return False


def _tokens(value: str) -> list[str]:
    """`prefetch;prerender, x` as its words without parameters."""
    return [each.partition(";")[0].strip().lower() for each in value.split(",")]
