"""The shapes a value in a configuration file may have. Each reads TOML, writes it again, and says what it allows."""

# ruff: noqa: ARG002 - every shape is read alike, and few look at the context

import dataclasses
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Final, Protocol

from tnc.core.errors import InvalidError
from tnc.core.mistakes import Mistakes, ShapeError, alternatives, did_you_mean, mistake, shortlist, show, show_key

PLACEHOLDER: Final = "(kept)"
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
class SecretValue:
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


def not_allowed(shape: Shape, value: object) -> ShapeError:
    return mistake(f"must be {shape.allowed}, not {show(value)}")


@dataclass(frozen=True, slots=True)
class Text:
    """Text. `complain` says what is wrong with it, as the rest of the sentence, or None."""

    allowed: str = "text"
    check: Callable[[str], str | None] = lambda _: None
    longest: int = 2000
    lines: bool = False  # more than one line

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise not_allowed(self, value)
        if len(value) > self.longest:
            raise mistake(f"is {len(value)} characters long, and {self.longest} are allowed")
        if not (value.translate(_LINES) if self.lines else value).isprintable():
            raise mistake(f"holds a character that cannot be printed: {show(value)}")
        if complaint := self.check(value):
            raise mistake(complaint)
        return value

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a closed set, in its order. `summary` says which where they are many."""

    options: tuple[str, ...]
    summary: str | None = None

    @property
    def allowed(self) -> str:
        return self.summary or alternatives(self.options)

    def read(self, value: object, context: Context) -> str:
        if isinstance(value, str) and value in self.options:
            return value
        suggestion = did_you_mean(value, self.options) if isinstance(value, str) else ""
        raise mistake(f"must be {self.allowed}, not {show(value)}{suggestion}")

    def write(self, value: str) -> str:
        return value


@dataclass(frozen=True, slots=True)
class Flag:
    allowed: str = "true or false"

    def read(self, value: object, context: Context) -> bool:
        if not isinstance(value, bool):
            raise not_allowed(self, value)
        return value

    def write(self, value: bool) -> bool:  # noqa: FBT001 - a flag is what it writes
        return value


@dataclass(frozen=True, slots=True)
class WholeNumber:
    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object, context: Context) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise not_allowed(self, value)
        return value

    def write(self, value: int) -> int:
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number with or without decimals; `also` lists texts that may be used instead."""

    low: int
    high: int
    also: tuple[str, ...] = ()

    @property
    def allowed(self) -> str:
        return " or ".join((f"a number from {self.low} to {self.high}", *map(show, self.also)))

    def read(self, value: object, context: Context) -> float | str:
        if isinstance(value, str) and value in self.also:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise not_allowed(self, value)
        return float(value) or 0.0  # or: a negative zero would be written differently

    def write(self, value: float | str) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that is stored sealed and never shown. `complain` must not repeat it."""

    check: Callable[[str], str | None] = lambda _: None
    allowed: str = f'a secret: text, "env:NAME", "file:/path" or "{PLACEHOLDER}"'

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise mistake(f"must be {self.allowed}")
        if value == PLACEHOLDER:
            return self._stored(context)
        secret = self._resolved(value, context) if value.startswith(("env:", "file:")) else value
        if not secret or not secret.isprintable() or len(secret) > 10_000:
            raise mistake("is not a usable secret: it must be one line of 1 to 10000 printable characters")
        if complaint := self.check(secret):
            raise mistake(complaint)
        return secret

    def write(self, value: str) -> SecretValue:
        return SecretValue(value)

    def _stored(self, context: Context) -> str:
        if not isinstance(context.stored, SecretValue):
            raise mistake(f'is "{PLACEHOLDER}", but nothing is stored yet: give it as text, "env:NAME" or "file:/path"')
        return context.stored.value

    def _resolved(self, value: str, context: Context) -> str:
        try:
            return context.resolve(value)
        except InvalidError as error:
            raise mistake(f"cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Reference:
    """The id of something that exists, be it archived."""

    noun: str

    @property
    def allowed(self) -> str:
        return f"the id of a [[{self.noun}]]"

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise not_allowed(self, value)
        known = context.known[self.noun]
        if value in known:
            return value
        those = f"Known: {shortlist(sorted(known))}" if known else f"There is no {self.noun} at all"
        raise mistake(
            f"is {show(value)}, and there is no such {self.noun}{did_you_mean(value, sorted(known)) or '.'} {those}"
        )

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
            raise not_allowed(self, value)
        mistakes, items, seen = Mistakes(), [], set[str]()
        for number, each in enumerate(value):
            try:
                item = self.item.read(each, context)
                self._once(item, seen)
            except ShapeError as error:
                mistakes.add(error.below(number))
            else:
                items.append(item)
        mistakes.raise_if_any()
        return tuple(items)

    def write(self, value: Iterable[Any]) -> list[object]:
        return [self.item.write(each) for each in value]

    def _once(self, item: Any, seen: set[str]) -> None:
        identity = getattr(item, "id", item)
        if not self.unique or not isinstance(identity, str):
            return
        if identity in seen:
            raise mistake(f"stands there twice: {show(identity)}")
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
            raise not_allowed(self, value)
        mistakes, found = Mistakes(), {}
        for key, each in value.items():
            try:
                word = self.key.read(key, context)
            except ShapeError:
                mistakes.add(mistake(f"is not a key here; it {not_allowed(self.key, key)}", show_key(key)))
                continue
            try:
                found[word] = self.value.read(each, context.below(word))
            except ShapeError as error:
                mistakes.add(error.below(show_key(key)))
        mistakes.raise_if_any()
        return found

    def write(self, value: Mapping[str, Any]) -> dict[str, object]:
        order = self.key.options.index if isinstance(self.key, Choice) else None
        return {key: self.value.write(value[key]) for key in sorted(value, key=order)}


@dataclass(frozen=True, slots=True)
class SingleKey:
    """A table of exactly one key whose value the model keeps without the table."""

    key: str
    value: Shape

    @property
    def allowed(self) -> str:
        return f"{{ {self.key} = {self.value.allowed} }}"

    def read(self, value: object, context: Context) -> Any:
        if not isinstance(value, dict) or set(value) != {self.key}:
            raise not_allowed(self, value)
        try:
            return self.value.read(value[self.key], context)
        except ShapeError as error:
            raise error.below(self.key) from None

    def write(self, value: Any) -> object:
        return {self.key: self.value.write(value)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """One key of a table. `text` says what it is for; `field` is the model's name where it differs."""

    shape: Shape
    text: str
    field: str | None = None
    needed: bool = False
    default: object = None


def read_keys(keys: Mapping[str, Key], value: object, context: Context) -> dict[str, Any]:
    """The keys that are given, by the model's names. Unknown and missing ones are refused; all at once."""
    if not isinstance(value, dict):
        raise mistake(f"must be a table, not {show(value)}")
    mistakes, found = Mistakes(), {}
    for key, each in value.items():
        if key not in keys:
            mistakes.add(
                mistake(f"is not known here{did_you_mean(key, keys) or '.'} Known: {', '.join(keys)}", show_key(key))
            )
            continue
        try:
            found[keys[key].field or key] = keys[key].shape.read(each, context.below(key))
        except ShapeError as error:
            mistakes.add(error.below(key))
    for key, described in keys.items():
        if described.needed and key not in value:
            mistakes.add(mistake(f"is missing; it must be {described.shape.allowed}", key))
    mistakes.raise_if_any()
    return found


def no_check(item: Any, context: Context) -> Iterable[ShapeError]:  # noqa: ARG001 - most tables have no more rules
    return ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table that becomes one dataclass. Needed keys and defaults are those of the dataclass.

    `check` says what is wrong between keys that are right one by one.
    """

    make: type[Any]
    keys: Mapping[str, Key]
    check: Callable[[Any, Context], Iterable[ShapeError]] = no_check

    @property
    def allowed(self) -> str:
        return f"a table of {', '.join(self.keys)}"

    def read(self, value: object, context: Context) -> Any:
        item = self.make(**read_keys(self.keys, value, context))
        mistakes = Mistakes()
        for error in self.check(item, context):
            mistakes.add(error)
        mistakes.raise_if_any()
        return item

    def write(self, item: Any) -> "TomlTable":
        return write_keys(self.keys, {key: getattr(item, each.field or key) for key, each in self.keys.items()})


class TomlTable(dict[str, object]):
    """A table on its way to paper: only what differs from the defaults, in the order of its keys."""

    def __init__(self, values: Mapping[str, object], keys: Mapping[str, Key]) -> None:
        super().__init__(values)
        self._keys = keys

    def value_of(self, key: str) -> object:
        """The value that a key has, be it written or not; None for one that is not set."""
        if key in self or key not in self._keys:
            return self.get(key)
        described = self._keys[key]
        return None if described.default is None else described.shape.write(described.default)


def write_keys(keys: Mapping[str, Key], values: Mapping[str, Any]) -> TomlTable:
    """`values` by the names of the file; those that equal their default are left out."""
    differing = {
        key: each.shape.write(values[key])
        for key, each in keys.items()
        if key in values and values[key] != each.default
    }
    return TomlTable(differing, keys)


def keys_of(make: type[Any], **keys: Key) -> dict[str, Key]:
    """Keys with `needed` and `default` as the dataclass has them, so that no default stands twice."""
    fields = {each.name: each for each in dataclasses.fields(make)}
    return {key: _completed(described, fields[described.field or key]) for key, described in keys.items()}


def _completed(key: Key, field: dataclasses.Field[Any]) -> Key:
    if field.default is not MISSING:
        return dataclasses.replace(key, default=field.default)
    if field.default_factory is not MISSING:
        return dataclasses.replace(key, default=field.default_factory())
    return dataclasses.replace(key, needed=True)
