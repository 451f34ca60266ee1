"""The changes from one configuration to another, as text and as JSON, without secrets."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from tnc.campaigns.schema import NOUNS, Noun
from tnc.core.models import Configuration
from tnc.core.shapes import PLACEHOLDER, SecretValue, TomlTable
from tnc.core.toml import inline

CHANGED: Final = "(changed)"

Kind = Literal["added", "changed", "archived", "restored", "removed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """With `old` None the field was not set before; with `new` None it is no longer set."""

    field: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    noun: str
    id: str
    kind: Kind
    fields: tuple[FieldChange, ...] = ()


def diff(old: Configuration, new: Configuration) -> tuple[Change, ...]:
    """Changes in the order of nouns and ids. `removed` happens only in a rollback to an older version."""
    return tuple(change for noun in NOUNS.values() for change in _of_noun(noun, old, new))


def diff_text(changes: Sequence[Change]) -> str:
    """A line for everything that is added or removed, and for each field that changes."""
    return "\n".join(line for change in changes for line in _lines(change)) if changes else "nothing changes"


def diff_json(changes: Sequence[Change]) -> dict[str, Any]:
    return {
        "changes": [
            {
                "noun": change.noun,
                "id": change.id,
                "kind": change.kind,
                "fields": [{"field": each.field, "old": each.old, "new": each.new} for each in change.fields],
            }
            for change in changes
        ]
    }


_SIGNS: Final[Mapping[Kind, str]] = {"added": "+", "changed": "~", "archived": "-", "restored": "+", "removed": "-"}


def _lines(change: Change) -> Iterator[str]:
    title = f"{change.noun} {change.id}"
    if change.kind != "changed":
        yield f"{_SIGNS[change.kind]} {title}" + ("" if change.kind == "added" else f": {change.kind}")
    for each in change.fields:
        yield f"~ {title}: {_sentence(each)}"


def _sentence(change: FieldChange) -> str:
    if change.old is None:
        return f"{change.field} added: {change.new}"
    if change.new is None:
        return f"{change.field} removed: {change.old}"
    return f"{change.field} {change.old} -> {change.new}"


def _of_noun(noun: Noun, old: Configuration, new: Configuration) -> Iterator[Change]:
    before, after = getattr(old, noun.plural), getattr(new, noun.plural)
    for identity in sorted({*before, *after}):
        if before.get(identity) == after.get(identity):
            continue
        if identity not in before:
            yield Change(noun=noun.name, id=identity, kind="added")
        elif identity not in after:
            yield Change(noun=noun.name, id=identity, kind="removed")
        else:
            yield _changed(noun, before[identity], after[identity])


def _changed(noun: Noun, old: Any, new: Any) -> Change:
    kind: Kind = "changed"
    if old.archived != new.archived:
        kind = "archived" if new.archived else "restored"
    fields = _tables(noun.shape.write(old), noun.shape.write(new))
    # `kind` already says whether it is archived.
    others = tuple(each for each in fields if each.field != "archived")
    return Change(noun=noun.name, id=new.id, kind=kind, fields=others)


def _tables(old: TomlTable, new: TomlTable) -> Iterator[FieldChange]:
    for key in dict.fromkeys((*old, *new)):
        yield from _values(key, old.value_of(key), new.value_of(key))


def _values(key: str, old: object, new: object) -> Iterator[FieldChange]:
    match old, new:
        case _ if old == new:
            return
        case list(), list() if _have_ids([*old, *new]):
            yield from _lists(key.removesuffix("s"), old, new)
        case dict(), dict():
            yield from _prefixed(f"{key}.", _entries(old, new))
        case _:
            hidden = isinstance(old, SecretValue) and isinstance(new, SecretValue)
            yield FieldChange(field=key, old=_text(old), new=CHANGED if hidden else _text(new))


def _entries(old: Mapping[str, object], new: Mapping[str, object]) -> Iterator[FieldChange]:
    if isinstance(old, TomlTable) and isinstance(new, TomlTable):
        yield from _tables(old, new)
        return
    for key in dict.fromkeys((*old, *new)):
        yield from _values(key, old.get(key), new.get(key))


def _lists(noun: str, old: Sequence[TomlTable], new: Sequence[TomlTable]) -> Iterator[FieldChange]:
    """Flows, and the offers and landers in them: lists of tables with an id, whose order matters."""
    before, after = ({str(each["id"]): each for each in items} for items in (old, new))
    for identity in dict.fromkeys((*before, *after)):
        was, becomes = before.get(identity), after.get(identity)
        if was is None or becomes is None:
            yield FieldChange(field=f"{noun} {identity}", old=_contents(was), new=_contents(becomes))
        elif noun == "flow":
            yield from _prefixed(f"flow {identity}: ", _tables(was, becomes))
        else:
            yield from (replace(each, field=f"{each.field} of {identity}") for each in _tables(was, becomes))
    orders = [[each for each in items if each in before and each in after] for items in (before, after)]
    if orders[0] != orders[1]:
        yield FieldChange(field=f"order of {noun}s", old=", ".join(orders[0]), new=", ".join(orders[1]))


def _prefixed(prefix: str, changes: Iterator[FieldChange]) -> Iterator[FieldChange]:
    return (replace(each, field=f"{prefix}{each.field}") for each in changes)


def _have_ids(items: Sequence[object]) -> bool:
    return all(isinstance(each, TomlTable) and "id" in each for each in items)


def _contents(item: TomlTable | None) -> str | None:
    """All keys but the id; the weight also where it is the default."""
    if item is None:
        return None
    weight = {"weight": item.value_of("weight")} if item.value_of("weight") is not None else {}
    return inline({key: value for key, value in (weight | item).items() if key != "id"})


def _text(value: object) -> str | None:
    match value:
        case None:
            return None
        case SecretValue():
            return PLACEHOLDER
        case _:
            return inline(value)
