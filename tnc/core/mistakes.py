"""What is wrong with a value of a configuration file: the path to the value, and a sentence for its author."""

import difflib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, time

Part = str | int
KeyPath = tuple[Part, ...]


class ShapeError(Exception):
    """A value does not fit its shape. `mistakes` are all of them, each with the path from that value down to it."""

    def __init__(self, *mistakes: tuple[KeyPath, str]) -> None:
        super().__init__(*(text for _, text in mistakes))
        self.mistakes = mistakes

    def below(self, part: Part) -> "ShapeError":
        """The same mistakes, seen from the table or list that holds the value under `part`."""
        return ShapeError(*(((part, *path), text) for path, text in self.mistakes))

    def sentences(self) -> Iterator[str]:
        return (sentence(path, text) for path, text in self.mistakes)


def mistake(text: str, *path: Part) -> ShapeError:
    """One mistake. `text` goes on with a sentence that begins with the key: "must be ..., not ..."."""
    return ShapeError((path, text))


class Mistakes:
    """Collects the mistakes of all parts of a value, so that its author sees them at once."""

    def __init__(self) -> None:
        self._found: list[tuple[KeyPath, str]] = []

    def add(self, error: ShapeError) -> None:
        self._found += error.mistakes

    def raise_if_any(self) -> None:
        """Raises ShapeError when a mistake was added."""
        if self._found:
            raise ShapeError(*self._found)


def sentence(path: KeyPath, text: str) -> str:
    """`landers[0].weight must be a whole number from 0 to 1000000, not "x".`"""
    stop = "" if text.endswith((".", "?")) else "."
    key = path_text(path)
    return f"{key} {text}{stop}" if key else f"{text}{stop}"


def path_text(path: KeyPath) -> str:
    """`("landers", 0, "weight")` -> `landers[0].weight`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def show(value: object) -> str:
    """A value inside a sentence: short, on one line, and without control characters that a terminal would obey."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            cut = value if len(value) <= 60 else value[:57] + "..."
            quoted = json.dumps(cut, ensure_ascii=False)
            return "".join(char if char.isprintable() else char.encode("unicode-escape").decode() for char in quoted)
        case int() if abs(value) >= 2**63:
            return "a number that is too large"
        case int() | float():
            return str(value)
        case dict():
            return "a table"
        case list():
            return "a list" if value else "an empty list"
        case date() | time():
            return "a date or time without quotes"
        case _:
            return "nothing"


def show_key(key: str) -> str:
    """A key as TOML writes it: without quotes where TOML allows that."""
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() and len(key) <= 60 else show(key)


def did_you_mean(text: str, known: Iterable[str]) -> str:
    """`; did you mean "offers"?` or nothing. A text of more than 64 characters is no typing mistake."""
    close = difflib.get_close_matches(text, list(known), n=1) if len(text) <= 64 else []
    return f"; did you mean {show(close[0])}?" if close else ""


def alternatives(values: Sequence[str]) -> str:
    """`"a", "b" or "c"`"""
    *most, last = map(show, values)
    return f"{', '.join(most)} or {last}" if most else last


def shortlist(values: Sequence[str], limit: int = 12) -> str:
    """`"a", "b", "c"`; of many values the first ones, and how many more there are."""
    shown = ", ".join(map(show, values[:limit]))
    return f"{shown} and {len(values) - limit} more" if len(values) > limit else shown
