"""Text from outside, made fit once at the door: no half characters, no control characters."""

from typing import Final

# C0 and C1. A tab separates words in headers, the others do nothing but harm in logs, tables and terminals.
_CONTROLS: Final = dict.fromkeys((*range(32), *range(127, 160))) | {9: " "}


def clean(text: str) -> str:
    """The text that encodes as UTF-8 and moves no cursor.

    aiohttp hands bytes that are no UTF-8 through as lone surrogates: RE2, SQLite and JSON raise on them.
    """
    if text.isascii():
        return text if text.isprintable() else text.translate(_CONTROLS)
    try:
        text = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    except UnicodeEncodeError:
        text = text.encode("utf-8", "replace").decode("utf-8")
    return text if text.isprintable() else text.translate(_CONTROLS)
