"""Text templates: bodies and headers with macros, whose writer says how a value is encoded."""

from collections.abc import Callable
from dataclasses import dataclass

from tnc.rules.macros import Macro, Part, ValueOf, read_template


@dataclass(frozen=True, slots=True)
class TextTemplate:
    """`{"id": "{click_id}"}`: only braces around a macro's name are macros."""

    parts: tuple[Part, ...]

    @classmethod
    def parse(cls, text: str) -> "TextTemplate":
        """Raises InvalidError for an unknown macro."""
        return cls(read_template(text))

    def fill(self, value_of: ValueOf, encode: Callable[[str], str]) -> str:
        """`encode` writes a value so that it stays one in JSON, a form or a header; raw macros go without it."""
        return "".join(part if isinstance(part, str) else _written(part, value_of, encode) for part in self.parts)


def _written(macro: Macro, value_of: ValueOf, encode: Callable[[str], str]) -> str:
    value = macro.said(value_of(macro.name) or "")
    return value if macro.raw else encode(value)
