"""Checks for strict receivers: a body is described once, and whatever is not described is refused."""

import ipaddress
import re
from collections.abc import Callable
from typing import Any

Check = Callable[[str, Any], None]
"""(path in the body, value); raises BadError."""


class BadError(Exception):
    def __init__(self, where: str, what: str, code: str = "INVALID_ARGUMENT") -> None:
        super().__init__(f"{where}: {what}")
        self.where, self.code = where, code


def need(fit: bool, where: str, what: str, code: str = "INVALID_ARGUMENT") -> None:
    if not fit:
        raise BadError(where, what, code)


def table(needed: dict[str, Check], optional: dict[str, Check] | None = None) -> Check:
    known = needed | (optional or {})

    def check(where: str, value: Any) -> None:
        need(isinstance(value, dict), where, "not an object")
        for name in needed:
            need(name in value, f"{where}.{name}", "missing", "REQUIRED_FIELD_MISSING")
        for name, each in value.items():
            need(name in known, f"{where}.{name}", "unknown field")
            known[name](f"{where}.{name}", each)

    return check


def listing(check_each: Check, *, least: int = 1, most: int = 1000) -> Check:
    def check(where: str, value: Any) -> None:
        need(isinstance(value, list), where, "not a list")
        need(least <= len(value) <= most, where, f"{len(value)} entries, not {least} to {most}")
        for place, each in enumerate(value):
            check_each(f"{where}[{place}]", each)

    return check


def one_or_many(check_each: Check) -> Check:
    many = listing(check_each)
    return lambda where, value: (many if isinstance(value, list) else check_each)(where, value)


def text(pattern: str = r"(?s).+") -> Check:
    form = re.compile(pattern)

    def check(where: str, value: Any) -> None:
        need(isinstance(value, str), where, "not a text")
        need(form.fullmatch(value) is not None, where, "not of the right form")

    return check


def one_of(*values: Any) -> Check:
    return lambda where, value: need(
        value in values and type(value) in map(type, values), where, f"not one of {values}"
    )


def integer(low: int, high: int) -> Check:
    def check(where: str, value: Any) -> None:
        need(isinstance(value, int) and not isinstance(value, bool), where, "not an integer")
        need(low <= value <= high, where, f"not between {low} and {high}")

    return check


def number(where: str, value: Any) -> None:
    need(isinstance(value, int | float) and not isinstance(value, bool), where, "not a number")
    need(0 <= value < 10**9, where, "not an amount")


def boolean(where: str, value: Any) -> None:
    need(isinstance(value, bool), where, "not true or false")


HASH = text(r"[0-9a-f]{64}")
CURRENCY = text(r"[A-Z]{3}")
HTTP_URL = text(r"https?://[^\s/]+(/\S*)?")


def plain(pattern: str = r"(?s).+") -> Check:
    """A text that must not be hashed: the platform could not use it."""
    form = text(pattern)

    def check(where: str, value: Any) -> None:
        form(where, value)
        need(re.fullmatch(r"[0-9a-fA-F]{32,64}", value) is None, where, "must not be hashed")

    return check


def address(where: str, value: Any) -> None:
    plain()(where, value)
    try:
        ipaddress.ip_address(value)
    except ValueError:
        raise BadError(where, "not an IP address") from None
