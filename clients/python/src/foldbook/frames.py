from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import pyarrow as pa

if TYPE_CHECKING:
    import pandas
    import polars

T = TypeVar("T")


class Frame:
    """Columns in memory. pandas, polars, DuckDB and others take it as it is: `polars.DataFrame(frame)`."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def pandas(self, **options: Any) -> pandas.DataFrame:
        """With the options of `pyarrow.Table.to_pandas`; `types_mapper=pandas.ArrowDtype` copies nothing."""
        return self.table.to_pandas(**{"split_blocks": True, **options})

    def polars(self) -> polars.DataFrame:
        """Shares the memory of the table."""
        import polars

        frame = polars.from_arrow(self.table, rechunk=False)
        assert isinstance(frame, polars.DataFrame)
        return frame

    def timed(self) -> Frame:
        """The same with times in UTC in place of milliseconds: `time` for `timestamp_ms`. Nothing is copied."""
        table = self.table
        for at, name in enumerate(table.column_names):
            if name.endswith("timestamp_ms"):
                times = table.column(at).cast(pa.int64()).cast(pa.timestamp("ms", tz="UTC"))
                table = table.set_column(at, name.replace("timestamp_ms", "time"), times)
        return Frame(table)

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __repr__(self) -> str:
        return f"Frame of {len(self)} rows: {', '.join(self.table.column_names)}"

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Listing(Generic[T]):
    """Records, page after page while they are asked for: `for run in client.runs()`, or all of them as a frame."""

    def __init__(self, pages: Callable[[], Iterator[T]], columns: Iterable[str]) -> None:
        self._pages = pages
        self._columns = tuple(columns)

    def __iter__(self) -> Iterator[T]:
        return self._pages()

    @cached_property
    def frame(self) -> Frame:
        """A row for each record. What is inside an object has its path as its name, as in `summary_metrics.pf_long`."""
        columns: dict[str, list[Any]] = {}
        records = list(self)
        for number, record in enumerate(records):
            for path, value in leaves("", record):
                column = columns.setdefault(path, [])
                column.extend([None] * (number - len(column)))
                column.append(value)
        for name in self._columns:
            if not any(path == name or path.startswith(name + ".") for path in columns):
                columns[name] = []
        for column in columns.values():
            column.extend([None] * (len(records) - len(column)))
        order = {name: at for at, name in enumerate(self._columns)}
        names = sorted(columns, key=lambda path: order.get(path.split(".")[0], len(order)))
        return Frame(pa.table({name: array(columns[name]) for name in names}))

    def pandas(self, **options: Any) -> pandas.DataFrame:
        return self.frame.pandas(**options)

    def polars(self) -> polars.DataFrame:
        return self.frame.polars()

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)


def leaves(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if not isinstance(value, dict):
        yield path, value
        return
    for key, inner in value.items():
        yield from leaves(f"{path}.{key}" if path else key, inner)


def array(values: list[Any]) -> pa.Array:
    """A column of values whose types may differ: then those that are no texts are JSON."""
    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([v if v is None or isinstance(v, str) else json.dumps(v) for v in values])


def table_of(rows: Any) -> pa.Table:
    """Any frame, a mapping of columns or a list of rows as a table, with its times in `timestamp` unless it has `timestamp_ms`."""
    if isinstance(rows, Frame):
        table = rows.table
    elif isinstance(rows, pa.Table):
        table = rows
    elif type(rows).__module__.partition(".")[0] == "pandas":  # whose index is left out elsewhere
        table = pa.Table.from_pandas(rows)
    elif isinstance(rows, list):
        table = pa.Table.from_pylist(rows)
    else:
        table = pa.table(rows)
    names = table.column_names
    times = [name for name in names if pa.types.is_temporal(table.schema.field(name).type)]
    if len(times) == 1 and not {"timestamp_ms", "timestamp"} & set(names):
        table = table.rename_columns(["timestamp" if name == times[0] else name for name in names])
    for at, field in enumerate(table.schema):
        if pa.types.is_string_view(field.type):  # of polars
            table = table.set_column(at, field.name, table.column(at).cast(pa.large_string()))
    return table


def streams(table: pa.Table, most: int) -> Iterator[bytes]:
    """The table as Arrow streams of about `most` bytes."""
    size = max(1, table.num_rows * most // max(1, table.nbytes))
    for start in range(0, table.num_rows, size):
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table.slice(start, size))
        yield sink.getvalue().to_pybytes()
