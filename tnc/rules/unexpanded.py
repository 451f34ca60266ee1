"""Macros that an ad platform should have replaced and did not: kept with the click, never passed on."""

import re
from typing import Final
from urllib.parse import unquote

# What ad platforms leave in a URL when they did not fill it in: {{ad.id}}, {clickid}, ${SUBID}, %%CLICK_ID%%,
# __CLICKID__, and where it is the whole value also [clickid], <id>, #s2#, @@id@@ and %ID%.
_NAME = r"[A-Za-z_$:][\w.:$-]*"
_UNEXPANDED: Final = re.compile(
    rf"\{{\{{[^{{}}]+\}}\}}|\$?\{{{_NAME}\}}|%%{_NAME}%%|__[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*__"
    rf"|\A\[+{_NAME}\]+\Z|\A<{_NAME}>\Z|\A(#|##|@@|%){_NAME}\1\Z",
    re.ASCII,
)
_GUID: Final = re.compile(r"\{[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\}", re.ASCII)
_SIGNS: Final = ("{", "%", "__", "[", "<", "#", "@@")


def is_unexpanded(value: str) -> bool:
    """The value is, or holds, a macro that an ad platform failed to fill in; encoded braces count as well."""
    if value.isalnum() or not any(sign in value for sign in _SIGNS):
        return False
    plain = unquote(value) if "%" in value else value
    return any(_UNEXPANDED.search(text) for text in {value, plain} if not _GUID.fullmatch(text))
