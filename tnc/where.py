"""`--where`: which clicks are meant. `K=V[,V...]`, `K!=V[,V...]`, `K~TEXT`, `K>N`, `K<N`; repeated, all must hold."""

import difflib
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from tnc.errors import InvalidError

Comparison = Literal["=", "!=", "~", ">", "<"]

_WRITTEN: Final = re.compile(r"([a-z_0-9]+)(!=|=|~|>|<)(.*)", re.DOTALL)
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Where:
    """One condition. `values` are texts; for `~`, `>` and `<` exactly one. The word `unknown` means no value."""

    name: str
    comparison: Comparison
    values: tuple[str, ...]

    def holds(self, told: Mapping[str, Any]) -> bool:
        """Does an object, such as a click in JSON, answer the condition?"""
        value = told.get(self.name)
        match self.comparison:
            case "=":
                return _text(value) in self.values
            case "!=":
                return _text(value) not in self.values
            case "~":
                return value is not None and self.values[0].casefold() in _text(value).casefold()
            case ">":
                return value is not None and _is_number(value) and value > float(self.values[0])
            case "<":
                return value is not None and _is_number(value) and value < float(self.values[0])


def parse_where(text: str, names: Collection[str]) -> Where:
    """Raises InvalidError that says how to write it, or which names there are."""
    written = _WRITTEN.fullmatch(text)
    if written is None:
        raise InvalidError(f"--where {text!r} cannot be read; write K=V, K!=V, K~TEXT, K>N or K<N, like country=US,CA.")
    name, comparison, rest = written[1], written[2], written[3]
    if name not in names:
        near = difflib.get_close_matches(name, names, 1)
        hint = f"; did you mean {near[0]}?" if near else f"; there are: {', '.join(sorted(names))}."
        raise InvalidError(f"--where {text!r}: there is no field {name!r}{hint}")
    if comparison in (">", "<") and not _is_decimal(rest):
        raise InvalidError(f"--where {text!r}: {rest!r} is not a number.")
    values = tuple(rest.split(",")) if comparison in ("=", "!=") else (rest,)
    return Where(name, comparison, values)  # type: ignore[arg-type]


def _text(value: Any) -> str:
    if value is None:
        return UNKNOWN
    if isinstance(value, bool):
        return "true" if value else "false"
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_decimal(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
