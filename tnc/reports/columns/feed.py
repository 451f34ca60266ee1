"""Write a day's numbered clicks and events to its column files, a batch at a time.

Every step ends by saving the state; a step that was interrupted is repeated by the next run. The columns are the
same whether the clicks are written in many batches or all at once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice, takewhile
from pathlib import Path
from typing import Any, Final, Protocol

import msgspec

from tnc.core.clock import QUARTER_MS
from tnc.core.conversions import fold
from tnc.core.models import Click, Conversion, ConversionChange, Event, FilterChange, LabelChange, LanderClick
from tnc.reports.columns.cardinality import NOTHING_KNOWN, CardinalityCheck, Known
from tnc.reports.columns.day_folder import DayFolder, Part, State, files_to_merge
from tnc.reports.columns.duck import Duck, Values
from tnc.reports.columns.schema import COLUMNS, INVALID, LABELS, LANDER_VIEW, VISIT, Kind, click_row, label_row
from tnc.store.days.history import relabelled
from tnc.store.days.opted_out import OptedOutVisits

_BATCH: Final = 20_000
_MOST_PARTS: Final = 8

_CLICK_SPOOL: Final = {**COLUMNS["clicks"], "clicked_at": "bigint"}
_LANDER_SPOOL: Final = {**COLUMNS["landers"], "went_at": "bigint"}
_CONVERSION_SPOOL: Final = {**COLUMNS["conversions"], "converted_at": "bigint"}
_LABEL_SPOOL: Final = {name: COLUMNS["clicks"][name] for name in ("seq", *LABELS)}
# Kinds of files that have labels and are not rewritten with each batch, and the column each is sorted by.
_RELABELLED: Final[tuple[tuple[Kind, str], ...]] = (("clicks", "seq"), ("landers", "event_seq"))


class DaySource(Protocol):
    """The clicks of one day and their events, each numbered in the order they were recorded."""

    def latest(self) -> tuple[int, int]:
        """Highest number of clicks and of events; -1 where there are none."""
        ...

    def clicks(self, after_seq: int) -> Iterator[tuple[int, Click]]: ...

    def events(self, after_seq: int) -> Iterator[tuple[int, int, Event]]:
        """(number, number of the click, event)"""
        ...

    def events_of(self, click_seq: int) -> list[Event]: ...

    def opted_out(self) -> list[OptedOutVisits]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CatchUpResult:
    """How many records were read. `rebuilt`: the files were thrown away and written again."""

    clicks: int
    events: int
    rebuilt: bool


class Feed:
    """Brings the columns of one day up to date with its source."""

    def __init__(self, duck: Duck, folder: DayFolder, source: DaySource, known: Known = NOTHING_KNOWN) -> None:
        self._known = known
        self._duck = duck
        self._folder = folder
        self._source = source
        self._rebuilt = False
        self._over = False

    def run(self, *, over: bool) -> CatchUpResult:
        """`over`: the day gets no more clicks, so its files are merged into one of each kind."""
        self._over = over
        self._folder.sweep()
        if self._is_other_now():
            self._reset(State())
        latest_click, latest_event = self._source.latest()
        if latest_click < self._folder.state.clicks or latest_event < self._folder.state.events:
            self._reset(State())  # the day file was replaced, perhaps by an older copy
        clicks = self._feed_clicks(latest_click) if latest_click > self._folder.state.clicks else 0
        events = self._feed_events(latest_event) if latest_event > self._folder.state.events else 0
        self._feed_opted_out()
        self._merge("clicks", most=1 if over else _MOST_PARTS)
        self._merge("landers", most=1 if over else _MOST_PARTS)
        return CatchUpResult(clicks=clicks, events=events, rebuilt=self._rebuilt)

    def _known_here(self) -> list[tuple[str, str, str]]:
        """What is known about the parameters of this day."""
        keys = ((each.source, each.sub) for each in self._folder.state.parameters)
        return [(*key, self._known[key].name) for key in keys if key in self._known]

    def _is_other_now(self) -> bool:
        """Whether values would be written that were withheld, or the other way round."""
        before, now = {*self._folder.state.known}, {*self._known_here()}
        withheld = {(each.source, each.sub) for each in self._folder.state.parameters if each.withheld}
        return bool({(source, sub) for source, sub, _ in now - before} & withheld or before - now)

    def _feed_opted_out(self) -> None:
        """These are counters, not numbered records: they are few, and read whole each time."""
        opted_out = self._source.opted_out()
        if opted_out != self._folder.state.opted_out:
            self._folder.state.opted_out = opted_out
            self._save()

    def _reset(self, state: State) -> None:
        self._rebuilt = True
        self._folder.reset(state)

    # ------------------------------------------------------------------------------------------ clicks

    def _feed_clicks(self, latest: int) -> int:
        check = CardinalityCheck.resume(self._folder.state.parameters, self._read_click, self._known)
        count = 0
        while batch := self._next_clicks(latest):
            count += len(batch)
            if self._count_parameters(check, batch):
                self._reset(State(counted=batch[-1][0], parameters=check.records(), known=self._known_here()))
            else:
                self._write_clicks(batch, check)
        if latest > self._folder.state.clicks:  # the last ones were erased
            self._folder.state.clicks = latest
            self._save()
        return count

    def _next_clicks(self, latest: int) -> list[tuple[int, Click]]:
        """Clicks up to `latest`, the newest when the run began: under load clicks can come faster than they are
        written, and the run would never end.
        """
        known = takewhile(lambda each: each[0] <= latest, self._source.clicks(self._folder.state.clicks))
        return list(islice(known, _BATCH))

    def _read_click(self, seq: int) -> Click | None:
        found = next(self._source.clicks(seq - 1), None)
        return found[1] if found is not None and found[0] == seq else None

    def _count_parameters(self, check: CardinalityCheck, batch: Sequence[tuple[int, Click]]) -> bool:
        """Count the clicks that the check has not seen. True when rows that are already written are wrong now."""
        before = check.snapshot()
        for seq, click in batch:
            if seq > self._folder.state.counted and not click.test and not click.erased:
                check.count(seq, click)
        return check.changed_since(before)

    def _write_clicks(self, batch: Sequence[tuple[int, Click]], check: CardinalityCheck) -> None:
        rows = (
            click_row(seq, click, {} if click.erased else check.allowed(click))
            for seq, click in batch
            if not click.test
        )
        state, first, last = self._folder.state, batch[0][0], batch[-1][0]
        with self._spool(rows) as spool:
            values = Values()
            shown = {
                "clicked_at": "make_timestamp_ms(clicked_at)",
                "quarter": f"clicked_at // {QUARTER_MS}",
            }
            select = f"select {_columns('clicks', shown)} from {values.json(spool, _CLICK_SPOOL)}"
            self._append("clicks", first, last, select, values)
        state.clicks, state.counted, state.parameters = last, max(last, state.counted), check.records()
        state.known = self._known_here()
        self._save()

    # ------------------------------------------------------------------------------------------ events

    def _feed_events(self, latest: int) -> int:
        count = 0
        while batch := self._next_events(latest):
            count += len(batch)
            self._relabel(batch)
            self._write_landers(batch)
            self._write_conversions(batch)
            self._folder.state.events = batch[-1][0]
            self._save()
        if latest > self._folder.state.events:
            self._folder.state.events = latest
            self._save()
        return count

    def _next_events(self, latest: int) -> list[tuple[int, int, Event]]:
        """Events up to `latest`, the newest before the clicks were read, so that the click of each is written."""
        known = takewhile(lambda each: each[0] <= latest, self._source.events(self._folder.state.events))
        return list(islice(known, _BATCH))

    def _relabel(self, batch: Sequence[tuple[int, int, Event]]) -> None:
        """Rewrite the files with clicks whose label changed. Runs before the rows that copy from these clicks.

        When a crash leaves a file that is newer than the state, the whole day is made again.
        """
        touched = sorted({seq for _, seq, event in batch if isinstance(event, LabelChange | FilterChange)})
        clicks = ((seq, self._read_click(seq)) for seq in touched)
        rows = [
            label_row(seq, relabelled(click, self._source.events_of(seq)))
            for seq, click in clicks
            if click is not None and not click.test
        ]
        if not rows:
            return
        with self._spool(rows) as spool:
            for kind, order in _RELABELLED:
                for place, part in enumerate(self._folder.parts(kind)):
                    if self._holds(kind, part, touched):
                        self._folder.parts(kind)[place] = self._relabel_part(kind, part, spool, order)

    def _holds(self, kind: Kind, part: Part, seqs: Sequence[int]) -> bool:
        values = Values()
        listed = f"select unnest({values.bind(seqs)})"
        return bool(
            self._duck.rows(f"select 1 from {self._only(values, kind, part)} where seq in ({listed}) limit 1", values)
        )

    def _relabel_part(self, kind: Kind, part: Part, spool: Path, order: str) -> Part:
        values = Values()

        def own(name: str, new: str) -> str:
            return f"case when new.seq is null then old.{_quoted(name)} else {new} end"

        labels = {name: own(name, f"new.{_quoted(name)}") for name in LABELS}
        if kind == "landers":
            first = f"(select min(event_seq) from {self._all(values, kind)} known where known.seq = old.seq)"
            labels["counts"] = own("counts", f"{_counts('new')} and old.event_seq = {first}")
        select = f"""
            select {_columns(kind, labels, of="old")}
            from {self._only(values, kind, part)} old
            left join {values.json(spool, _LABEL_SPOOL)} new on new.seq = old.seq
            order by old.{order}
        """
        return self._write(kind, part.first, part.last, select, values)

    def _write_landers(self, batch: Sequence[tuple[int, int, Event]]) -> None:
        rows = [_lander_row(number, seq, event) for number, seq, event in batch if isinstance(event, LanderClick)]
        if not rows:
            return
        with self._spool(rows) as spool:
            values = Values()
            own = {
                "event_seq": "new.event_seq",
                "went_at": "make_timestamp_ms(new.went_at)",
                "went_offer": "new.went_offer",
                "went_network": "new.went_network",
                "counts": f"""{_counts("click")}
                  and new.event_seq = min(new.event_seq) over (partition by new.seq)
                  and new.seq not in (select seq from {self._all(values, "landers")})""",
            }
            select = f"""
                select {_columns("landers", own, of="click")}
                from {values.json(spool, _LANDER_SPOOL)} new
                join {self._clicks_of(values, [row["seq"] for row in rows])} click on click.seq = new.seq
                order by new.event_seq
            """
            self._append("landers", batch[0][0], batch[-1][0], select, values)

    def _write_conversions(self, batch: Sequence[tuple[int, int, Event]]) -> None:
        """Rewrite the file of conversions, replacing those of every click that has a new event."""
        touched = sorted({seq for _, seq, _ in batch})
        rows = self._conversion_rows(touched, batch)
        if not rows:
            return
        with self._spool(rows) as spool:
            values = Values()
            own = {name: f"new.{name}" for name in COLUMNS["conversions"] if name not in COLUMNS["clicks"]}
            own |= {
                "offer": "coalesce(went.went_offer, click.offer)",
                "network": "coalesce(went.went_network, click.network, new.network)",
                "converted_at": "make_timestamp_ms(new.converted_at)",
                "converted_quarter": f"new.converted_at // {QUARTER_MS}",
            }
            select = f"""
                select {_columns("conversions", {})}
                from {self._all(values, "conversions")}
                where seq not in (select unnest({values.bind(touched)}))
                union all
                select {_columns("conversions", own, of="click")}
                from {values.json(spool, _CONVERSION_SPOOL)} new
                join {self._clicks_of(values, touched)} click on click.seq = new.seq
                left join (
                  select seq, went_offer, went_network
                  from {self._all(values, "landers")}
                  where seq in (select unnest({values.bind(touched)}))
                  qualify row_number() over (partition by seq order by event_seq desc) = 1
                ) went on went.seq = new.seq
            """
            self._folder.state.parts["conversions"] = [self._write("conversions", 0, batch[-1][0], select, values)]

    def _conversion_rows(self, touched: Sequence[int], batch: Sequence[tuple[int, int, Event]]) -> list[dict[str, Any]]:
        """The present state of all conversions of these clicks, from their changes old and new."""
        changes: dict[int, list[tuple[int, ConversionChange]]] = {}
        for number, seq, event in (*self._known_changes(touched), *batch):
            if isinstance(event, ConversionChange) and event.origin != "test":
                changes.setdefault(seq, []).append((number, event))
        rows = []
        for seq, numbered in changes.items():
            for conversion in fold(change for _, change in numbered):
                numbers = [number for number, change in numbered if change.conversion_id == conversion.conversion_id]
                rows.append(_conversion_row(numbers, seq, conversion))
        return rows

    def _known_changes(self, touched: Sequence[int]) -> list[tuple[int, int, Event]]:
        """The earlier changes of these clicks, read again from the source by their numbers."""
        values = Values()
        rows = self._duck.rows(
            f"""
            select unnest(changes) as number
            from {self._all(values, "conversions")}
            where seq in (select unnest({values.bind(touched)}))
            order by number
            """,
            values,
        )
        return [event for (number,) in rows for event in islice(self._source.events(number - 1), 1)]

    # ------------------------------------------------------------------------------------------- files

    def _all(self, values: Values, kind: Kind) -> str:
        return values.parquet(self._folder.files(kind), COLUMNS[kind])

    def _only(self, values: Values, kind: Kind, part: Part) -> str:
        return values.parquet([str(self._folder.path(kind, part.first, part.last))], COLUMNS[kind])

    def _clicks_of(self, values: Values, seqs: Sequence[int]) -> str:
        """The clicks from the lowest to the highest of these numbers: with bounds DuckDB skips the rest of the day."""
        first, last = values.bind(min(seqs)), values.bind(max(seqs))
        return f"(select * from {self._all(values, 'clicks')} where seq between {first} and {last})"

    @contextmanager
    def _spool(self, rows: Iterable[Mapping[str, Any]]) -> Iterator[Path]:
        """A temporary file of these rows: DuckDB takes its rows from a file, not from Python."""
        self._folder.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = self._folder.folder / "spool.jsonl"
        encode = msgspec.json.Encoder().encode
        with path.open("wb", buffering=1 << 16) as file:
            for row in rows:
                file.write(encode(row))
                file.write(b"\n")
        yield path
        path.unlink()

    def _save(self) -> None:
        """Without fsync while the day still gets clicks: a report that waits for the disk makes clicks wait too. A file
        that a power cut tears is noticed by its size or when it is read, and made again.
        """
        self._folder.save(durable=self._over)

    def _write(self, kind: Kind, first: int, last: int, select: str, values: Values) -> Part:
        rows = self._duck.write(select, values, self._folder.path(kind, first, last), durable=self._over)
        return self._folder.part(kind, first, last, rows=rows)

    def _append(self, kind: Kind, first: int, last: int, select: str, values: Values) -> None:
        self._folder.parts(kind).append(self._write(kind, first, last, select, values))

    def _merge(self, kind: Kind, *, most: int) -> None:
        parts = self._folder.parts(kind)
        count = files_to_merge([part.rows for part in parts], most=most)
        if count:
            values = Values()
            files = self._folder.files(kind)[-count:]
            select = f"select * from {values.parquet(files, COLUMNS[kind])}"
            merged = self._write(kind, parts[-count].first, parts[-1].last, select, values)
            parts[-count:] = [merged]
            self._save()


def _columns(kind: Kind, own: Mapping[str, str], *, of: str = "") -> str:
    """The select list of a kind in its order: the expressions in `own`, and all other columns of relation `of`."""
    prefix = f"{of}." if of else ""
    return ", ".join(
        f"({own.get(name, f'{prefix}{_quoted(name)}')})::{type_} as {_quoted(name)}"
        for name, type_ in COLUMNS[kind].items()
    )


def _quoted(name: str) -> str:
    return f'"{name}"'


def _counts(click: str) -> str:
    """SQL condition: `click` is a valid visit that was sent to a lander."""
    return f"({click}.flags & {VISIT | INVALID | LANDER_VIEW}) = {VISIT | LANDER_VIEW}"


def _lander_row(number: int, seq: int, event: LanderClick) -> dict[str, Any]:
    return {
        "seq": seq,
        "event_seq": number,
        "went_at": event.at_ms,
        "went_offer": event.offer,
        "went_network": event.network,
    }


def _conversion_row(numbers: Sequence[int], seq: int, conversion: Conversion) -> dict[str, Any]:
    return {
        "seq": seq,
        "event_seq": numbers[0],
        "changes": numbers,
        "converted_at": conversion.converted_at_ms,
        "network": conversion.network,
        "conversion_status": conversion.status,
        "conversion_event": conversion.event,
        "payout_micros": conversion.payout_micros,
        "payout_currency": conversion.currency,
        "conversion_cost_micros": conversion.cost_micros,
        "conversion_cost_currency": conversion.cost_currency,
    }
