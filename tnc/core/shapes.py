"""Shapes of configuration values: each reads a value from TOML, writes it back, and says what is allowed.

`config.toml` (`core/settings.py`) and campaign files (`campaigns/schema.py`) are both tables of keys with a shape each.
"""

# ruff: noqa: ARG002 - every shape has the same methods, and few of them need the context

import dataclasses
import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any, Final, Protocol

from tnc.core.errors import InvalidError
from tnc.core.mistakes import Mistakes, ShapeError, alternatives, did_you_mean, mistake, shortlist, show, show_key

PLACEHOLDER: Final = "(kept)"
"""Written in place of a secret; read as the secret that is stored."""

# Everything else may be in a name: emoji are joined by U+200D, and some scripts need U+200C between letters.
_CONTROL: Final = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_CONTROL_BUT_LINES: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def refuse_reference(reference: str) -> str:
    raise InvalidError(f"{reference} is not read here; give the secret itself.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a shape may need to read a value, besides the value."""

    known: Mapping[str, Collection[str]] = dataclasses.field(default_factory=dict)  # ids by noun: in the file or stored
    resolve: Callable[[str], str] = refuse_reference  # "env:NAME" or "file:/path" -> the secret; raises InvalidError
    allow_hosts: Collection[str] = ()
    stored: object = None  # the present value, as `Shape.write` gives it

    def below(self, key: str) -> "Context":
        """The context of the value under a key of this table."""
        stored = self.stored.get(key) if isinstance(self.stored, Mapping) else None
        return dataclasses.replace(self, stored=stored)


@dataclass(frozen=True, slots=True)
class SecretValue:
    """A secret that was written by its shape. Files show `PLACEHOLDER` for it; a comparison may look inside."""

    value: str = dataclasses.field(repr=False)


class Shape(Protocol):
    @property
    def allowed(self) -> str:
        """What is allowed, as the end of a sentence that begins with "must be"."""
        ...

    def read(self, value: object, context: Context) -> Any:
        """The value for the model. Raises ShapeError."""
        ...

    def write(self, value: Any) -> object:
        """The value as TOML, secrets as `SecretValue`; `read` gives the same value again."""
        ...


class WrittenAsRead:
    """A shape whose values are the same in TOML and in the model."""

    __slots__ = ()

    def write(self, value: Any) -> Any:
        return value


def not_allowed(shape: Shape, value: object) -> ShapeError:
    return mistake(f"must be {shape.allowed}, not {show(value)}")


# --------------------------------------------------------------------------------------------- single values


@dataclass(frozen=True, slots=True)
class Text(WrittenAsRead):
    """Text without control characters. `check` says what is wrong with it, as the rest of a sentence, or None."""

    allowed: str = "text"
    check: Callable[[str], str | None] = lambda _: None
    longest: int = 2000
    lines: bool = False  # may have line breaks and tabs
    empty: bool = False  # may be "", which stands for none
    trimmed: bool = False  # white space around it is removed: for names that requests must match

    def read(self, value: object, context: Context) -> str:
        if self.trimmed and isinstance(value, str):
            value = value.strip()
        if not isinstance(value, str) or (not value and not self.empty):
            raise not_allowed(self, value)
        if len(value) > self.longest:
            raise mistake(f"is {len(value)} characters long, and {self.longest} are allowed")
        if (_CONTROL_BUT_LINES if self.lines else _CONTROL).search(value):
            raise mistake(f"holds a control character: {show(value)}")
        if value and (wrong := self.check(value)):
            raise mistake(wrong)
        return value


def text_that(fits: Callable[[str], object], allowed: str, *, empty: bool = False) -> Text:
    """Text for which `fits` is true; `allowed` describes it."""
    return Text(allowed, lambda text: None if fits(text) else f"must be {allowed}, not {show(text)}", empty=empty)


@dataclass(frozen=True, slots=True)
class Parsed:
    """Text that `parse` turns into something else, whose `str` is the text again; ValueError refuses it."""

    parse: Callable[[str], Any]
    allowed: str

    def read(self, value: object, context: Context) -> Any:
        if not isinstance(value, str):
            raise not_allowed(self, value)
        try:
            return self.parse(value)
        except ValueError:
            raise not_allowed(self, value) from None

    def write(self, value: Any) -> str:
        return str(value)


@dataclass(frozen=True, slots=True)
class Choice(WrittenAsRead):
    """One of a few texts. `summary` describes them where they are too many to be listed."""

    options: tuple[str, ...]
    summary: str | None = None

    @property
    def allowed(self) -> str:
        return self.summary or alternatives(self.options)

    def read(self, value: object, context: Context) -> str:
        if isinstance(value, str) and value in self.options:
            return value
        hint = did_you_mean(value, self.options) if isinstance(value, str) else ""
        raise mistake(f"must be {self.allowed}, not {show(value)}{hint}")


@dataclass(frozen=True, slots=True)
class Flag(WrittenAsRead):
    allowed: str = "true or false"

    def read(self, value: object, context: Context) -> bool:
        if not isinstance(value, bool):
            raise not_allowed(self, value)
        return value


@dataclass(frozen=True, slots=True)
class WholeNumber(WrittenAsRead):
    low: int
    high: int

    @property
    def allowed(self) -> str:
        return f"a whole number from {self.low} to {self.high}"

    def read(self, value: object, context: Context) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise not_allowed(self, value)
        return value


@dataclass(frozen=True, slots=True)
class Number:
    """A number with or without decimals. `also` lists texts that may be given instead of a number."""

    low: int
    high: int
    also: tuple[str, ...] = ()
    above: bool = False  # `low` itself is not allowed

    @property
    def allowed(self) -> str:
        span = f"above {self.low}, up to {self.high}" if self.above else f"from {self.low} to {self.high}"
        return " or ".join((f"a number {span}", *map(show, self.also)))

    def read(self, value: object, context: Context) -> float | str:
        if isinstance(value, str) and value in self.also:
            return value
        if not isinstance(value, int | float) or isinstance(value, bool) or not self.low <= value <= self.high:
            raise not_allowed(self, value)
        if self.above and value == self.low:
            raise not_allowed(self, value)
        return float(value) or 0.0  # or: a negative zero would be written differently

    def write(self, value: float | str) -> object:
        return int(value) if isinstance(value, float) and value.is_integer() else value


@dataclass(frozen=True, slots=True)
class Secret:
    """Text that is stored encrypted and never shown. `check` must not repeat it.

    White space around it is removed: a variable or a file often ends with some, and no sender repeats it.
    """

    check: Callable[[str], str | None] = lambda _: None
    allowed: str = f'a secret: text, "env:NAME", "file:/path" or "{PLACEHOLDER}"'

    def read(self, value: object, context: Context) -> str:
        given = value.strip() if isinstance(value, str) else ""
        if not given:
            raise mistake(f"must be {self.allowed}")
        if given == PLACEHOLDER:
            return self._stored(context)
        secret = self._resolved(given, context) if given.startswith(("env:", "file:")) else given
        if not secret or not secret.isprintable() or len(secret) > 10_000:
            raise mistake("is not a usable secret: it must be one line of 1 to 10000 printable characters")
        if wrong := self.check(secret):
            raise mistake(wrong)
        return secret

    def write(self, value: str) -> SecretValue:
        return SecretValue(value)

    def _stored(self, context: Context) -> str:
        if not isinstance(context.stored, SecretValue):
            raise mistake(f'is "{PLACEHOLDER}", but nothing is stored yet: give it as text, "env:NAME" or "file:/path"')
        return context.stored.value

    def _resolved(self, reference: str, context: Context) -> str:
        try:
            return context.resolve(reference).strip()
        except InvalidError as error:
            raise mistake(f"cannot be read: {error}") from error


@dataclass(frozen=True, slots=True)
class Reference(WrittenAsRead):
    """The id of something that exists; archived things count."""

    noun: str

    @property
    def allowed(self) -> str:
        return f"the id of a [[{self.noun}]]"

    def read(self, value: object, context: Context) -> str:
        if not isinstance(value, str) or not value:
            raise not_allowed(self, value)
        known = sorted(context.known[self.noun])
        if value in known:
            return value
        existing = f"Known: {shortlist(known)}" if known else f"There is no {self.noun} at all"
        hint = did_you_mean(value, known) or "."
        raise mistake(f"is {show(value)}, and there is no such {self.noun}{hint} {existing}")


# ------------------------------------------------------------------------------------------- lists and tables


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of at least `least` items. With `unique` no item, or no id of an item, may be in it twice."""

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
                self._refuse_repeated(item, seen)
            except ShapeError as error:
                mistakes.add(error.below(number))
            else:
                items.append(item)
        mistakes.raise_if_any()
        return tuple(items)

    def write(self, value: Iterable[Any]) -> list[object]:
        return [self.item.write(each) for each in value]

    def _refuse_repeated(self, item: Any, seen: set[str]) -> None:
        identity = getattr(item, "id", item)
        if not self.unique or not isinstance(identity, str):
            return
        if identity in seen:
            raise mistake(f"is in the list twice: {show(identity)}")
        seen.add(identity)


@dataclass(frozen=True, slots=True)
class MapOf:
    """A table whose keys have a shape, too: the owner's own texts, or some of a few options."""

    key: Shape
    value: Shape

    @property
    def allowed(self) -> str:
        return f"a table; keys: {self.key.allowed}; values: {self.value.allowed}"

    def read(self, value: object, context: Context) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise not_allowed(self, value)
        mistakes, found = Mistakes(), {}
        for given, each in value.items():
            try:
                key = self.key.read(given, context)
            except ShapeError:
                mistakes.add(mistake(f"is not a key here; it {not_allowed(self.key, given)}", show_key(given)))
                continue
            try:
                found[key] = self.value.read(each, context.below(key))
            except ShapeError as error:
                mistakes.add(error.below(show_key(given)))
        mistakes.raise_if_any()
        return found

    def write(self, value: Mapping[str, Any]) -> dict[str, object]:
        order = self.key.options.index if isinstance(self.key, Choice) else None
        return {key: self.value.write(value[key]) for key in sorted(value, key=order)}


@dataclass(frozen=True, slots=True)
class SingleKey:
    """A table of exactly one key; the model keeps its value without the table."""

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
    """One key of a table. `text` says what it is for; `field` is its name in the model where that differs."""

    shape: Shape
    text: str
    field: str | None = None
    needed: bool = False
    default: object = None


def read_keys(keys: Mapping[str, Key], value: object, context: Context) -> dict[str, Any]:
    """The given keys, by their names in the model. Raises ShapeError with every unknown, missing and wrong key."""
    if not isinstance(value, dict):
        raise mistake(f"must be a table, not {show(value)}")
    mistakes, found = Mistakes(), {}
    for key, each in value.items():
        if key not in keys:
            hint = did_you_mean(key, keys) or "."
            mistakes.add(mistake(f"is not known here{hint} Known: {', '.join(keys)}", show_key(key)))
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


def no_check(item: Any, context: Context) -> Iterable[ShapeError]:  # noqa: ARG001 - the signature of `Table.check`
    return ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table that becomes one dataclass. Needed keys and defaults are those of the dataclass.

    `check` finds what is wrong between keys that are right one by one.
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
    """A written table: only the keys whose values differ from the defaults, in the order of `keys`."""

    def __init__(self, values: Mapping[str, object], keys: Mapping[str, Key]) -> None:
        super().__init__(values)
        self._keys = keys

    def value_of(self, key: str) -> object:
        """The value of a key: the written one, else the default; None for one that is not set."""
        if key in self or key not in self._keys:
            return self.get(key)
        described = self._keys[key]
        return None if described.default is None else described.shape.write(described.default)


def write_keys(keys: Mapping[str, Key], values: Mapping[str, Any]) -> TomlTable:
    """`values`, by the names of the file, as TOML; those that equal their default are left out."""
    differing = {
        key: each.shape.write(values[key])
        for key, each in keys.items()
        if key in values and values[key] != each.default
    }
    return TomlTable(differing, keys)


def keys_of(make: type[Any], **keys: Key) -> dict[str, Key]:
    """The keys with `needed` and `default` of the fields of the dataclass, so that no default is given twice."""
    fields = {each.name: each for each in dataclasses.fields(make)}
    return {key: with_default(described, fields[described.field or key]) for key, described in keys.items()}


def with_default(key: Key, field: dataclasses.Field[Any]) -> Key:
    if field.default is not MISSING:
        return dataclasses.replace(key, default=field.default)
    if field.default_factory is not MISSING:
        return dataclasses.replace(key, default=field.default_factory())
    return dataclasses.replace(key, needed=True)
