"""TOML files: read with the place of a mistake, and written one value a line."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any, Final

import tomli_w

from tnc.core.errors import InvalidError
from tnc.core.shapes import PLACEHOLDER, SecretValue

# tomllib takes the square of a dotted key's length. Possessive: looking takes no more than the text's own length.
_MOST_PARTS: Final = 32
_LONG_KEY: Final = re.compile(
    r"""(?:(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]++|"[^"\n]*+"|'[^'\n]*+')[ \t]*+\.[ \t]*+){32}"""
)
_AT: Final = re.compile(
    r"(?P<what>.*) \(at (?:line (?P<line>\d+), column (?P<column>\d+)|end of document)\)", re.DOTALL
)


def parse_toml(text: str, file: str) -> dict[str, Any]:
    """The document; a byte order mark in front is ignored. InvalidError names the file, the line and the column."""
    text = text.removeprefix("\ufeff")
    if _LONG_KEY.search(text):
        raise InvalidError(f"{file} holds a key of more than {_MOST_PARTS} parts")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidError(f"{file} is not TOML: {_located(str(error), text)}") from error
    except RecursionError:
        # Without the cause: its traceback is as deep as the file.
        raise InvalidError(f"{file} is nested too deeply") from None
    except ValueError as error:
        raise InvalidError(f"{file} holds a number or date that cannot be read: {error}") from error


def _located(message: str, text: str) -> str:
    found = _AT.fullmatch(message)
    if found is None:
        return message
    lines = text.split("\n")
    line, column = found["line"] or len(lines), found["column"] or len(lines[-1]) + 1
    return f"line {line}, column {column}: {found['what']}"


def inline(value: object) -> str:
    """One value on one line, as it may follow `key = `; secrets are replaced by `PLACEHOLDER`."""
    match value:
        case SecretValue():
            return inline(PLACEHOLDER)
        case Mapping():
            pairs = ", ".join(f"{inline_key(key)} = {inline(each)}" for key, each in value.items())
            return f"{{ {pairs} }}" if pairs else "{}"
        case list():
            return f"[{', '.join(map(inline, value))}]"
        case _:
            return tomli_w.dumps({"_": value}).removeprefix("_ = ").rstrip("\n")


def inline_key(key: str) -> str:
    return tomli_w.dumps({key: 0}).removesuffix(" = 0\n")
