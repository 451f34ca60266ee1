"""Host names in ASCII and in Unicode, as browsers convert them (UTS 46, non-transitional processing)."""

from functools import lru_cache

import idna


@lru_cache(maxsize=4096)
def to_ascii(host: str) -> str:
    """The host with each label in ASCII: `straße.example` is `xn--strae-oqa.example`. Raises ValueError."""
    if host.isascii():
        if not all(0 < len(label) < 64 for label in host.removesuffix(".").split(".")):
            raise ValueError(f"{host!r} is no host name")
        return host.lower()
    try:
        return idna.encode(host, uts46=True).decode()
    except idna.InvalidCodepoint:
        # Symbols, which IDNA 2008 refuses and browsers accept.
        mapped = idna.uts46_remap(host, std3_rules=False, transitional=False)
        return ".".join(_to_ascii_label(label) for label in mapped.split("."))


def _to_ascii_label(label: str) -> str:
    encoded = label if label.isascii() else "xn--" + label.encode("punycode").decode()
    if not 0 < len(encoded) < 64:
        raise ValueError(f"{label!r} is no part of a host name")
    return encoded


@lru_cache(maxsize=4096)
def to_unicode(host: str) -> str:
    """The host as people write it; unchanged where a label cannot be decoded."""
    if "xn--" not in host:
        return host
    try:
        return ".".join(
            label[4:].encode().decode("punycode") if label.startswith("xn--") else label for label in host.split(".")
        )
    except UnicodeError:
        return host
