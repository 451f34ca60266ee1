"""A condition in plain words, for traces and the dashboard."""

from collections.abc import Sequence
from typing import Any, Final

from tnc.core.models import Condition

_SHOWN_VALUES: Final = 12  # of a long list
_VERBS: Final = {
    "is": "is",
    "not": "is not",
    "contains": "contains",
    "starts": "starts with",
    "ends": "ends with",
    "matches": "matches",
    "in": "is in",
    "above": "is above",
    "below": "is below",
    "between": "is between",
}
_QUOTING: Final = frozenset({"contains", "starts", "ends", "matches"})


def quoted(value: Any) -> str:
    """A value as TOML writes it, cut at 80 characters."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return f'"{value[:80]}"'
    return str(value)[:80]


def describe_condition(condition: Condition) -> str:
    """`country is US or CA`, `hour is between 22 and 6 in Europe/Berlin`."""
    values = condition.value if isinstance(condition.value, list | tuple) else [condition.value]
    show = quoted if condition.operator in _QUOTING else _plain
    shown = [show(value) for value in values[:_SHOWN_VALUES]]
    if len(values) > _SHOWN_VALUES:
        shown.append(f"{len(values) - _SHOWN_VALUES} more")
    zone = f" in {condition.timezone}" if condition.timezone else ""
    return f"{condition.fact} {_VERBS[condition.operator]} {_joined(condition, shown)}{zone}"


def display_value(value: Any) -> str:
    """The value of a fact as a trace shows it."""
    match value:
        case None | ():
            return "unknown"
        case float():
            return f"{value:.2f}"
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return _plain(value)


def _plain(value: Any) -> str:
    return quoted(value) if isinstance(value, bool) or value == "" else str(value)


def _joined(condition: Condition, shown: Sequence[str]) -> str:
    match condition.operator:
        case "between":
            return " and ".join(shown)
        case "not":
            return " and not ".join(shown)
        case _:
            return " or ".join(shown)
