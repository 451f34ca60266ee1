"""The query of a tracking link: read once, as people and ad platforms really write it."""

import re
from typing import Final
from urllib.parse import unquote_plus

from tnc.facts.text import clean

MAX_PARAMETERS: Final = 200
MAX_NAME: Final = 128
# Click ids of ad platforms pass a thousand characters and are worthless when one is missing.
MAX_VALUE: Final = 2048


def split_target(target: str) -> tuple[str, str]:
    """The path and the query of a request target, both still percent-encoded."""
    path, _, query = target.partition("?")
    return path, query


def read_query(raw: str) -> dict[str, str]:
    """Parameters by name, percent-decoded once. The first of several values wins; names are never empty.

    A source that appends `?gclid=x` to a link that has a query already makes a second `?`: it is read as `&`.
    """
    found: dict[str, str] = {}
    if not raw:
        return found
    raw = clean(raw)
    escaped = "%" in raw or "+" in raw
    for part in raw.replace("?", "&").split("&", MAX_PARAMETERS * 4):
        name, _, value = part.partition("=")
        if escaped:
            name, value = _decoded(name), _decoded(value)
        name = name[:MAX_NAME]
        if not name or name in found:
            continue
        found[name] = value[:MAX_VALUE]
        if len(found) == MAX_PARAMETERS:
            break
    return found


def _decoded(text: str) -> str:
    return clean(unquote_plus(text)) if "%" in text or "+" in text else text


# {{ad.id}}, {clickid}, ${CLICK_ID}, __CLICKID__, [click], %%id%%
_MACRO: Final = re.compile(
    r"\{\{[^{}]{1,64}\}\}|\$?\{[A-Za-z_][\w.:-]{0,63}\}|__[A-Z][A-Z0-9_]{0,62}__|\[\[?[A-Za-z_][\w.:-]{0,63}\]\]?|%%[\w.:-]{1,64}%%"
)


def is_unexpanded(value: str) -> bool:
    """Whether a parameter holds a placeholder that the ad platform should have replaced."""
    # Four plain looks first: hardly any value has one of these signs, and this is asked on every click.
    if "{" in value or "__" in value or "[" in value or "%%" in value:
        return _MACRO.search(value) is not None
    return False
