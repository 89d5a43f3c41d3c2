from __future__ import annotations

import json
import os
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx
import pyarrow as pa

from . import models as m
from .errors import FoldbookWarning
from .events import Message, listen
from .frames import Frame, Listing, streams, table_of
from .transport import Body, Transport, plain

if TYPE_CHECKING:
    from typing_extensions import Unpack

PAGE = 200
REQUEST_BYTES = 32 << 20


class Client:
    """Reads from a foldbook service and stores in it.

    Arguments of methods are the query parameters of the routes, or the members of their bodies; datasets are named by slug or id.
    Times are datetimes, texts or milliseconds. What the service warns of is a `FoldbookWarning`.
    """

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        retries: int = 3,
        longest_wait: float = 30,
        timeout: float = 120,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        """Without a URL it is FOLDBOOK_SERVER, else http://127.0.0.1:33931; the token is a key, else FOLDBOOK_TOKEN.

        A request is repeated up to `retries` times, when the service says that it may be and asks for at most `longest_wait` seconds,
        or when a read got no answer.
        """
        url = url or os.environ.get("FOLDBOOK_SERVER") or "http://127.0.0.1:33931"
        token = token or os.environ.get("FOLDBOOK_TOKEN")
        headers = {"Accept-Encoding": "identity"}  # compressing takes longer than most ways
        if token:
            headers["Authorization"] = f"Bearer {token}"
        base = url.rstrip("/").removesuffix("/api")
        http = httpx.Client(base_url=base, headers=headers, timeout=httpx.Timeout(timeout, connect=10), transport=transport)
        self._transport = Transport(http, retries, longest_wait)

    def __enter__(self) -> Client:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._transport.http.close()

    # Any route

    def request(self, method: str, path: str, query: Mapping[str, Any] | None = None, body: Any = None, *, repeatable: bool = False) -> Any:
        """The JSON that a route answers. NaN and infinities of the body are stored as null, which is a warning."""
        content, query = None, dict(query or {})
        if body is not None:
            text = json.dumps(body, default=plain)
            content = text.encode()
            if "NaN" in text or "Infinity" in text:
                query.setdefault("nonfinite", "null")
        headers = {"Content-Type": "application/json"} if content else None

        def read(response: httpx.Response) -> Any:
            return json.loads(response.read())

        return warned(self._transport.send(method, path, read, query, content=content, headers=headers, repeatable=repeatable))

    def each(self, path: str, member: str, query: Mapping[str, Any] | None = None) -> Iterator[Any]:
        """The records of a list, page after page; at most `limit`, where it is given."""
        query = dict(query or {})
        left = query.pop("limit", None)
        cursor = query.pop("cursor", None)
        while left is None or left > 0:
            page = self.request("GET", path, {"count": "none", **query, "cursor": cursor, "limit": min(PAGE, left or PAGE)})
            yield from page[member]
            cursor = page["next"]
            if cursor is None:
                return
            query.pop("offset", None)
            left = None if left is None else left - len(page[member])

    def rows(self, path: str, query: Mapping[str, Any] | None = None) -> Frame:
        """The rows of a series."""

        def read(response: httpx.Response) -> pa.Table:
            with pa.ipc.open_stream(Body(response)) as reader:
                return reader.read_all()

        return Frame(self._transport.send("GET", path, read, {**(query or {}), "format": "arrows"}))

    # Records

    def datasets(self, **query: Unpack[m.ListDatasetsQuery]) -> Listing[m.ListedDataset]:
        return self._list("/api/datasets", "datasets", query, m.ListedDataset)

    def runs(self, **query: Unpack[m.ListRunsQuery]) -> Listing[m.WalkforwardRun]:
        return self._list("/api/runs", "runs", query, m.WalkforwardRun)

    def folds(self, run_id: str, **query: Unpack[m.ListFoldsQuery]) -> Listing[m.WalkforwardFold]:
        return self._list(f"/api/runs/{run_id}/folds", "folds", query, m.WalkforwardFold)

    def simulations(self, **query: Unpack[m.ListSimulationsQuery]) -> Listing[m.SimulationSummary]:
        return self._list("/api/simulations", "simulations", query, m.SimulationSummary)

    def trades(self, simulation_id: str, **query: Unpack[m.ListTradesQuery]) -> Listing[m.SimulationTrade]:
        return self._list(f"/api/simulations/{simulation_id}/trades", "trades", query, m.SimulationTrade)

    def _list(self, path: str, member: str, query: Mapping[str, Any], model: Any) -> Listing[Any]:
        columns = query.get("fields") or model.__annotations__
        return Listing(lambda: self.each(path, member, query), columns.split(",") if isinstance(columns, str) else columns)

    def dataset(self, dataset: str) -> m.DatasetSummary:
        return cast(m.DatasetSummary, self.request("GET", f"/api/datasets/{escape(dataset)}"))

    def run(self, run_id: str, **query: Unpack[m.GetRunQuery]) -> m.RunFlat:
        """With all its folds, unless `folds="none"`."""
        return cast(m.RunFlat, self.request("GET", f"/api/runs/{run_id}", query))

    def simulation(self, simulation_id: str) -> m.SimulationFlat:
        return cast(m.SimulationFlat, self.request("GET", f"/api/simulations/{simulation_id}"))

    def compare(self, runs: Iterable[str] | None = None, **query: Unpack[m.CompareRunsQuery]) -> m.Comparison:
        """Runs, by their ids or by the filters of `runs()`, side by side: figures, metrics, what differs in the configuration, folds, equity."""
        if runs is not None:
            query["ids"] = list(runs)
        return cast(m.Comparison, self.request("GET", "/api/runs/compare", query))

    def leaderboard(self, **query: Unpack[m.GetLeaderboardQuery]) -> m.Leaderboard:
        """The runs of a `search_id`, or of a `dataset` and `target`, ranked, with p-values that count every trial."""
        return cast(m.Leaderboard, self.request("GET", "/api/leaderboard", query))

    def watch(self, after: int | None = None, **query: Unpack[m.ListenEventsQuery]) -> Iterator[Message]:
        """What changes, as it changes, until the loop is left; a connection that is lost is made again, and nothing is missed.

        Who reads a list at `hello`, the first message, misses nothing after it. `after` goes on after an event.
        """
        return listen(self._transport.http, query, after)

    # Series

    def ohlcv(self, dataset: str, **query: Unpack[m.ListOhlcvQuery]) -> Frame:
        return self.rows(f"/api/datasets/{escape(dataset)}/ohlcv", query)

    def indicators(self, dataset: str, **query: Unpack[m.ListIndicatorsQuery]) -> Frame:
        return self.rows(f"/api/datasets/{escape(dataset)}/indicators", query)

    def predictions(self, run_id: str, **query: Unpack[m.ListPredictionsQuery]) -> Frame:
        return self.rows(f"/api/runs/{run_id}/predictions", query)

    def trace(self, simulation_id: str, **query: Unpack[m.ListTraceQuery]) -> Frame:
        return self.rows(f"/api/simulations/{simulation_id}/trace", query)

    def equity(self, simulation_id: str, **query: Unpack[m.GetEquityQuery]) -> Frame:
        return self.rows(f"/api/simulations/{simulation_id}/equity", query)

    # Writes: each may be repeated, so each is, when the connection is lost

    def log_dataset(self, slug: str, **fields: Unpack[m.OptionalDatasetUpload]) -> m.DatasetStored:
        """Stores a dataset, or changes what is given of one that is there."""
        body = {"dataset_id": str(uuid.uuid5(uuid.NAMESPACE_URL, slug)), "dataset_slug": slug, **fields}
        return cast(m.DatasetStored, self.request("POST", "/api/datasets", body=body, repeatable=True))

    def log_run(
        self,
        dataset: str,
        *,
        run_id: str | None = None,
        prediction_measurement: str | None = None,
        folds: Iterable[m.FoldUpload] | None = None,
        replace: bool = False,
        **fields: Unpack[m.OptionalRunFields],
    ) -> m.RunStored:
        """Stores a run as it is now; with the id of one that is there it is replaced, `replace` also where it loses something by that.

        Unless it is named, the predictions get a table of their own.
        """
        run_id = run_id or str(uuid.uuid4())
        measurement = prediction_measurement or "run_" + run_id.replace("-", "_")
        body: dict[str, Any] = {"run_id": run_id, "dataset_id": dataset, "prediction_measurement": measurement, **fields}
        if folds is not None:
            body["folds"] = list(folds)
        return cast(m.RunStored, self.request("PUT", f"/api/runs/{run_id}", {"replace": replace}, body))

    def log_folds(self, run_id: str, folds: Iterable[m.FoldUpload], *, force: bool = False) -> m.FoldsStored:
        """Adds folds to a run that is going on, or with `force` to any; one whose number is there is replaced."""
        body = {"folds": list(folds)}
        return cast(m.FoldsStored, self.request("POST", f"/api/runs/{run_id}/folds", {"force": force}, body, repeatable=True))

    def update_run(self, run_id: str, *, force: bool = False, **fields: Unpack[m.RunPatch]) -> m.Changed:
        return cast(m.Changed, self.request("PATCH", f"/api/runs/{run_id}", {"force": force}, fields))

    def log_simulation(
        self,
        run_id: str,
        dataset: str,
        mode: m.Mode,
        *,
        simulation_id: str | None = None,
        trades: Iterable[m.TradeUpload] | None = None,
        buckets: Iterable[m.BucketUpload] | None = None,
        replace: bool = False,
        **fields: Unpack[m.OptionalSimulationFields],
    ) -> m.SimulationStored:
        simulation_id = simulation_id or str(uuid.uuid4())
        body: dict[str, Any] = {"simulation_id": simulation_id, "run_id": run_id, "dataset_id": dataset, "mode": mode, **fields}
        for name, rows in (("trades", trades), ("buckets", buckets)):
            if rows is not None:
                body[name] = list(rows)
        return cast(m.SimulationStored, self.request("PUT", f"/api/simulations/{simulation_id}", {"replace": replace}, body))

    def log_ohlcv(self, dataset: str, rows: Any, *, replace: bool = False) -> int:
        return self._append(f"/api/datasets/{escape(dataset)}/ohlcv/append", rows, replace)

    def log_indicators(self, dataset: str, rows: Any, *, replace: bool = False) -> int:
        return self._append(f"/api/datasets/{escape(dataset)}/indicators/append", rows, replace)

    def log_predictions(self, run_id: str, rows: Any, *, replace: bool = False) -> int:
        return self._append(f"/api/runs/{run_id}/predictions", rows, replace)

    def log_trace(self, simulation_id: str, rows: Any, *, replace: bool = False) -> int:
        return self._append(f"/api/simulations/{simulation_id}/trace", rows, replace)

    def _append(self, path: str, rows: Any, replace: bool) -> int:
        """Sends a frame, a mapping of columns or a list of rows, and returns how many were stored. NaN is stored as NULL.

        The times are in `timestamp_ms`, or in the one column, or index, of times.
        """
        written = 0
        headers = {"Content-Type": "application/vnd.apache.arrow.stream"}
        read: Callable[[httpx.Response], Any] = lambda response: json.loads(response.read())
        for content in streams(table_of(rows), REQUEST_BYTES):
            stored = self._transport.send(
                "POST", path, read, {"replace": replace}, content=content, headers=headers, repeatable=True
            )
            written += warned(stored)["rows_written"]
        return written


def escape(slug: str) -> str:
    return quote(slug, safe="")


def warned(answer: Any) -> Any:
    """The answer, whose warnings are Python's, too."""
    if isinstance(answer, dict):
        for warning in answer.get("warnings") or ():
            warnings.warn(str(warning), FoldbookWarning, stacklevel=4)
    return answer
