"""The query of a tracking link: read once, as people and ad platforms really write it."""

from itertools import islice
from typing import Final
from urllib.parse import unquote_plus

from tnc.facts.text import clean

MAX_PARAMETERS: Final = 200
MAX_NAME: Final = 128
# Click ids of ad platforms pass a thousand characters and are worthless when one is missing.
MAX_VALUE: Final = 2048

_MOST_PARTS: Final = MAX_PARAMETERS * 4  # of which some may be blank or repeated


def split_target(target: str) -> tuple[str, str]:
    """The path and the query of a request target, both still percent-encoded."""
    path, _, query = target.partition("?")
    return path, query


def read_query(raw: str) -> dict[str, str]:
    """Parameters by name, percent-decoded once. The first of several values wins; names are never empty.

    A source that appends `?gclid=x` to a link that has a query already makes a second `?`: it is read as `&`.
    """
    if not raw:
        return {}
    raw = clean(raw)
    escaped = "%" in raw or "+" in raw
    found: dict[str, str] = {}
    for part in raw.replace("?", "&").split("&", _MOST_PARTS):
        name, _, value = part.partition("=")
        if escaped:
            name, value = _decoded(name), _decoded(value)
        if name and name not in found:
            found[name[:MAX_NAME]] = value[:MAX_VALUE]
    return found if len(found) <= MAX_PARAMETERS else dict(islice(found.items(), MAX_PARAMETERS))


def _decoded(text: str) -> str:
    return clean(unquote_plus(text)) if "%" in text or "+" in text else text
