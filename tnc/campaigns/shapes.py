"""The shapes a value in a configuration file may have. Each reads TOML, writes it again, and says what it allows."""

# ruff: noqa: ARG002 - every shape is read alike, and few look at the context

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

from tnc.campaigns.mistakes import Gathering, WrongError, listed, name, nearest, one_of, show, wrong
from tnc.core.errors import InvalidError

KEPT: Final = "(kept)"
_LINES: Final = str.maketrans("", "", "\r\n\t")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a reader may look at beside the value itself."""

    known: Mapping[str, Collection[str]]  # ids by noun: those of the file and those that are stored
    resolve: Callable[[str], str]  # "env:NAME" or "file:/path" -> the secret; raises InvalidError
    allow_hosts: Collection[str] = ()
    stored: object = None  # what stands there now, as `Shape.write` gives it

    def below(self, key: str) -> "Context":
        stored = self.stored.get(key) if isinstance(self.stored, Mapping) else None
        return dataclasses.replace(self, stored=stored)


@dataclass(frozen=True, slots=True)
class Hidden:
    """A secret on its way to paper: every writer puts `(kept)` there, a comparison may look inside."""

    value: str = dataclasses.field(repr=False)


class Shape(Protocol):
    @property
    def allowed(self) -> str:
        """What is allowed, after "must be"."""
        ...

    def read(self, value: object, context: Context) -> Any:
        """The model's value; raises WrongError."""
        ...

    def write(self, value: Any) -> object:
        """The value as TOML, with secrets as `Hidden`; `read` takes it back."""
        ...


def unfit(shape: Shape, value: object) -> WrongError:
    return wrong(f"must be {shape.allowed}, not {show(value)}")


@dataclass(frozen=True, slots=True)
class Text:
    """Text. `complain` says what is wrong with it, as the rest of the sentence, or None."""

    allowed: str = "text"
    complain: Callable[[str], str | None] = lambda _: None
    longest: int = 2000
    lines: bool = False  # more than one line

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise unfit(self, value)
        if len(value) > self.longest:
            raise wrong(f"is {len(value)} characters long, and {self.longest} are allowed")
        if not (value.translate(_LINES) if self.lines else value).isprintable():
            raise wrong(f"holds a character that cannot be printed: {show(value)}")
        if complaint := self.complain(value):
            raise wrong(complaint)
        return value

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed set, in its order. `summary` says which where they are many."""

    words: tuple[str, ...]
    summary: str | None = None

    @property
    def allowed(self) -> str:
        return self.summary or one_of(self.words)

    def read(self, value: object, context: Context) -> str:
        if isinstance(value, str) and value in self.words:
            return value
        suggestion = nearest(value, self.words) if isinstance(value, str) else ""
        raise wrong(f"must be {self.allowed}, not {show(value)}{suggestion}")

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    allowed: str = "true or false"

    def read(self, value: object, context: Context) -> bool:
        if not isinstance(value, bool):
            raise unfit(self, value)
        return value

    def write(self, value: bool) -> bool:  # noqa: FBT001 - a flag is what it writes
        return value


@dataclass(frozen=True, slots=True)
class Whole:
    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object, context: Context) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise unfit(self, value)
        return value

    def write(self, value: int) -> int:
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number with or without decimals; `words` stand for something else than a number."""

    low: int
    high: int
    words: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        return " or ".join((f"a number from {self.low} to {self.high}", *map(show, self.words)))

    def read(self, value: object, context: Context) -> float | str:
        if isinstance(value, str) and value in self.words:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise unfit(self, value)
        return float(value) or 0.0  # or: a negative zero would be written differently

    def write(self, value: float | str) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that is stored sealed and never shown. `complain` must not repeat it."""

    complain: Callable[[str], str | None] = lambda _: None
    allowed: str = f'a secret: text, "env:NAME", "file:/path" or "{KEPT}"'

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise wrong(f"must be {self.allowed}")
        if value == KEPT:
            return self._stored(context)
        secret = self._resolved(value, context) if value.startswith(("env:", "file:")) else value
        if not secret or not secret.isprintable() or len(secret) > 10_000:
            raise wrong("is not a usable secret: it must be one line of 1 to 10000 printable characters")
        if complaint := self.complain(secret):
            raise wrong(complaint)
        return secret

    def write(self, value: str) -> Hidden:
        return Hidden(value)

    def _stored(self, context: Context) -> str:
        if not isinstance(context.stored, Hidden):
            raise wrong(f'is "{KEPT}", but nothing is stored yet: give it as text, "env:NAME" or "file:/path"')
        return context.stored.value

    def _resolved(self, value: str, context: Context) -> str:
        try:
            return context.resolve(value)
        except InvalidError as error:
            raise wrong(f"cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of something that exists, be it archived."""

    noun: str

    @property
    def allowed(self) -> str:
        return f"the id of a [[{self.noun}]]"

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise unfit(self, value)
        known = context.known[self.noun]
        if value in known:
            return value
        those = f"Known: {listed(sorted(known))}" if known else f"There is no {self.noun} at all"
        raise wrong(f"is {show(value)}, and there is no such {self.noun}{nearest(value, sorted(known)) or '.'} {those}")

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list. `unique` names what may stand in it only once: the items themselves, or their ids."""

    item: Shape
    least: int = 0
    unique: bool = True

    @property
    def allowed(self) -> str:
        return ("a list" if self.least == 0 else f"a list of at least {self.least}") + f", each {self.item.allowed}"

    def read(self, value: object, context: Context) -> tuple[Any, ...]:
        if not isinstance(value, list) or len(value) < self.least:
            raise unfit(self, value)
        gathering, items, seen = Gathering(), [], set[str]()
        for number, each in enumerate(value):
            try:
                item = self.item.read(each, context)
                self._once(item, seen)
            except WrongError as error:
                gathering.add(error.below(number))
            else:
                items.append(item)
        gathering.finish()
        return tuple(items)

    def write(self, value: Iterable[Any]) -> list[object]:
        return [self.item.write(each) for each in value]

    def _once(self, item: Any, seen: set[str]) -> None:
        identity = getattr(item, "id", item)
        if not self.unique or not isinstance(identity, str):
            return
        if identity in seen:
            raise wrong(f"stands there twice: {show(identity)}")
        seen.add(identity)


@dataclass(frozen=True, slots=True)
class MapOf:
    """A table whose keys are the owner's words, or some of a closed set."""

    key: Shape
    value: Shape

    @property
    def allowed(self) -> str:
        return f"a table; keys: {self.key.allowed}; values: {self.value.allowed}"

    def read(self, value: object, context: Context) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise unfit(self, value)
        gathering, found = Gathering(), {}
        for key, each in value.items():
            try:
                word = self.key.read(key, context)
            except WrongError:
                gathering.add(wrong(f"is not a key here; it {unfit(self.key, key)}", name(key)))
                continue
            try:
                found[word] = self.value.read(each, context.below(word))
            except WrongError as error:
                gathering.add(error.below(name(key)))
        gathering.finish()
        return found

    def write(self, value: Mapping[str, Any]) -> dict[str, object]:
        order = self.key.words.index if isinstance(self.key, Choice) else None
        return {key: self.value.write(value[key]) for key in sorted(value, key=order)}


@dataclass(frozen=True, slots=True)
class Only:
    """A table of exactly one key whose value the model keeps without the table."""

    key: str
    value: Shape

    @property
    def allowed(self) -> str:
        return f"{{ {self.key} = {self.value.allowed} }}"

    def read(self, value: object, context: Context) -> Any:
        if not isinstance(value, dict) or set(value) != {self.key}:
            raise unfit(self, value)
        try:
            return self.value.read(value[self.key], context)
        except WrongError as error:
            raise error.below(self.key) from None

    def write(self, value: Any) -> object:
        return {self.key: self.value.write(value)}
