"""What is wrong with a value, where it stands, and how both are said."""

import difflib
import json
from collections.abc import Iterable, Sequence
from datetime import date, time

Part = str | int


class ShapeError(Exception):
    """One value cannot be used: every reason, each with the way from that value down to where it stands."""

    def __init__(self, *mistakes: tuple[tuple[Part, ...], str]) -> None:
        super().__init__(*(text for _, text in mistakes))
        self.mistakes = mistakes

    def below(self, part: Part) -> "ShapeError":
        return ShapeError(*(((part, *path), text) for path, text in self.mistakes))


def mistake(text: str, *path: Part) -> ShapeError:
    """`text` continues a sentence that begins with the key: "must be ..., not ..."."""
    return ShapeError((path, text))


class Mistakes:
    """Collects what is wrong with the parts of a whole, so that its reader hears of all of it at once."""

    def __init__(self) -> None:
        self.mistakes: list[tuple[tuple[Part, ...], str]] = []

    def add(self, error: ShapeError) -> None:
        self.mistakes += error.mistakes

    def raise_if_any(self) -> None:
        """Raises WrongError when anything was added."""
        if self.mistakes:
            raise ShapeError(*self.mistakes)


def path_text(path: Iterable[Part]) -> str:
    """`("landers", 0, "weight")` -> `landers[0].weight`"""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def show(value: object) -> str:
    """A value for a sentence: short, on one line, and never with a control character for the terminal."""
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
    """A key as it is written: bare where TOML lets it be."""
    return key if key.isascii() and key.replace("-", "").replace("_", "").isalnum() and len(key) <= 60 else show(key)


def did_you_mean(word: str, words: Iterable[str]) -> str:
    """`; did you mean "offers"?` or nothing. Long words are no slips of the pen."""
    close = difflib.get_close_matches(word, list(words), n=1) if len(word) <= 64 else []
    return f"; did you mean {show(close[0])}?" if close else ""


def alternatives(words: Sequence[str]) -> str:
    """`"a", "b" or "c"`"""
    *most, last = map(show, words)
    return f"{', '.join(most)} or {last}" if most else last


def shortlist(words: Sequence[str], limit: int = 12) -> str:
    """`"a", "b", "c"`; of many words the first, and how many more there are."""
    shown = ", ".join(map(show, words[:limit]))
    return f"{shown} and {len(words) - limit} more" if len(words) > limit else shown
