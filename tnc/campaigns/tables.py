"""Tables of keys: each key has a shape, a meaning and a default, and a whole table becomes one thing of the model."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from dataclasses import MISSING, dataclass
from typing import Any

from tnc.campaigns.mistakes import Gathering, WrongError, name, nearest, show, wrong
from tnc.campaigns.shapes import Context, Shape


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
        raise wrong(f"must be a table, not {show(value)}")
    gathering, found = Gathering(), {}
    for key, each in value.items():
        if key not in keys:
            gathering.add(wrong(f"is not known here{nearest(key, keys) or '.'} Known: {', '.join(keys)}", name(key)))
            continue
        try:
            found[keys[key].field or key] = keys[key].shape.read(each, context.below(key))
        except WrongError as error:
            gathering.add(error.below(key))
    for key, described in keys.items():
        if described.needed and key not in value:
            gathering.add(wrong(f"is missing; it must be {described.shape.allowed}", key))
    gathering.finish()
    return found


def nothing_to_say(item: Any, context: Context) -> Iterable[WrongError]:  # noqa: ARG001 - most tables have no more rules
    return ()


@dataclass(frozen=True, slots=True)
class Table:
    """A table that becomes one dataclass. Needed keys and defaults are those of the dataclass.

    `check` says what is wrong between keys that are right one by one.
    """

    make: type[Any]
    keys: Mapping[str, Key]
    check: Callable[[Any, Context], Iterable[WrongError]] = nothing_to_say

    @property
    def allowed(self) -> str:
        return f"a table of {', '.join(self.keys)}"

    def read(self, value: object, context: Context) -> Any:
        item = self.make(**read_keys(self.keys, value, context))
        gathering = Gathering()
        for error in self.check(item, context):
            gathering.add(error)
        gathering.finish()
        return item

    def write(self, item: Any) -> "Written":
        return write_keys(self.keys, {key: getattr(item, each.field or key) for key, each in self.keys.items()})


class Written(dict[str, object]):
    """A table on its way to paper: only what differs from the defaults, in the order of its keys."""

    def __init__(self, values: Mapping[str, object], keys: Mapping[str, Key]) -> None:
        super().__init__(values)
        self._keys = keys

    def meaning(self, key: str) -> object:
        """The value that a key has, be it written or not; None for one that is not set."""
        if key in self or key not in self._keys:
            return self.get(key)
        described = self._keys[key]
        return None if described.default is None else described.shape.write(described.default)


def write_keys(keys: Mapping[str, Key], values: Mapping[str, Any]) -> Written:
    """`values` by the names of the file; those that equal their default are left out."""
    differing = {
        key: each.shape.write(values[key])
        for key, each in keys.items()
        if key in values and values[key] != each.default
    }
    return Written(differing, keys)


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
