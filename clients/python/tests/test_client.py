"""The client against a service: TestPythonClient of package api starts one, and without FOLDBOOK_SERVER it is that of make run."""

import datetime
import itertools
import json
import math
import pickle
import unittest
import uuid
import warnings
from unittest import mock

import httpx
import pandas as pd
import polars as pl
import pyarrow as pa
from foldbook import Client, FoldbookError, FoldbookWarning
from foldbook.frames import streams, table_of

HOUR = 3_600_000
START = 1_704_153_600_000  # 2024-01-02T00:00:00Z
TAG = uuid.uuid4().hex[:8]

client = Client()


def fold(number: int, **more: object) -> dict:
    at = 10 * number
    return {
        "fold_number": number, "train_start_idx": at, "train_end_idx": at + 10, "test_start_idx": at + 10, "test_end_idx": at + 20,
        "samples_train": 10, "samples_test": 10, **more,
    }


class Records(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.slugs = [f"py_{name}_{TAG}" for name in "abcde"]
        for slug in cls.slugs:
            client.log_dataset(slug, symbol=TAG, granularity="1h")
        cls.run_id = client.log_run(
            cls.slugs[0], target_column="TGT_3", feature_columns=["rsi_14"], status="RUNNING", hyperparameters={"depth": 4, "model": "ridge"},
            started_at=datetime.datetime(2024, 1, 2, tzinfo=datetime.timezone.utc), folds=[fold(0, metrics={"hit_rate": 0.5})],
        )["run_id"]

    def test_a_repeat_stores_nothing_twice(self) -> None:
        again = client.log_dataset(self.slugs[0], granularity="1h")
        self.assertFalse(again["created"])
        self.assertEqual(client.dataset(self.slugs[0])["symbol"], TAG)

    def test_lists_are_read_page_after_page(self) -> None:
        with mock.patch("foldbook.client.PAGE", 2):
            seen = [dataset["dataset_slug"] for dataset in client.datasets(symbol=TAG)]
            three = list(client.datasets(symbol=TAG, limit=3))
        self.assertEqual(sorted(seen), self.slugs)
        self.assertEqual(len(three), 3)

    def test_records_are_a_frame(self) -> None:
        runs = client.runs(dataset_slug=self.slugs[:1], metric=["hyperparameters.depth>=4", "hyperparameters.model=ridge"])
        frame = runs.pandas()
        self.assertEqual(frame["hyperparameters.depth"].tolist(), [4])
        self.assertEqual(frame["started_at"].tolist(), ["2024-01-02T00:00:00Z"])
        self.assertEqual(list(frame["feature_columns"][0]), ["rsi_14"])
        self.assertEqual(runs.polars()["hyperparameters.model"].to_list(), ["ridge"])
        self.assertEqual(pa.table(runs).num_rows, 1)

    def test_an_empty_list_has_the_columns_of_its_records(self) -> None:
        frame = client.runs(target_column=TAG).polars()
        self.assertEqual(frame.height, 0)
        self.assertIn("run_id", frame.columns)

    def test_folds_follow_one_by_one(self) -> None:
        stored = client.log_folds(self.run_id, [fold(1), fold(2, best_score=0.1)])
        self.assertEqual((stored["folds_received"], stored["folds_stored"]), (2, 3))
        self.assertEqual([f["fold_number"] for f in client.run(self.run_id)["folds"]], [0, 1, 2])
        self.assertEqual(client.folds(self.run_id).polars()["best_score"].to_list(), [None, None, 0.1])

    def test_nan_is_stored_as_null_and_said(self) -> None:
        with self.assertWarnsRegex(FoldbookWarning, "pf_long is NaN"):
            client.update_run(self.run_id, summary_metrics={"pf_long": math.nan, "pf_short": pd.Series([1.5])[0]})
        metrics = client.run(self.run_id, folds="none")["summary_metrics"]
        self.assertEqual(metrics, {"pf_long": None, "pf_short": 1.5})

    def test_an_error_has_code_and_request(self) -> None:
        with self.assertRaises(FoldbookError) as caught:
            client.run(str(uuid.uuid4()))
        error = caught.exception
        self.assertEqual((error.status, error.code), (404, "not_found"))
        self.assertTrue(error.request_id)
        self.assertEqual(str(pickle.loads(pickle.dumps(error))), str(error))
        with self.assertRaisesRegex(FoldbookError, "did you mean dataset_slug"):
            client.request("GET", "/api/runs", {"dataset_slugs": "a"})


class Series(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.slug = f"py_series_{TAG}"
        client.log_dataset(cls.slug, symbol=TAG, granularity="1h")
        cls.times = [START + hour * HOUR for hour in range(5000)]

    def test_frames_of_every_kind_are_stored(self) -> None:
        bars = {"open": [1.0] * 5000, "high": [3.0] * 5000, "low": [1.0] * 5000, "close": [float(i) for i in range(5000)]}
        index = pd.to_datetime(self.times, unit="ms", utc=True)
        self.assertEqual(client.log_ohlcv(self.slug, pd.DataFrame(bars, index=index)), 5000)
        frame = pl.DataFrame({"at": self.times[:3], "rsi_14": [55.5, math.nan, None], "regime": ["calm", None, "wild"]})
        frame = frame.with_columns(pl.from_epoch("at", time_unit="ms"))
        self.assertEqual(client.log_indicators(self.slug, frame), 3)
        self.assertEqual(client.log_indicators(self.slug, [{"timestamp_ms": START, "TGT_3": 0.1}]), 1)

        got = client.ohlcv(self.slug)
        self.assertEqual(got.pandas()["close"].tolist(), bars["close"])
        self.assertEqual(got.polars()["timestamp_ms"].to_list(), self.times)
        self.assertEqual(got.timed().pandas()["time"].tolist()[:2], list(index[:2]))
        self.assertEqual(got.timed().polars()["time"].dt.epoch("ms").to_list(), self.times)
        want = {"timestamp_ms": self.times[:3], "rsi_14": [55.5, None, None], "regime": ["calm", None, "wild"], "TGT_3": [0.1, None, None]}
        self.assertEqual({name: column for name, column in client.indicators(self.slug).table.to_pydict().items()}, want)
        window = client.ohlcv(
            self.slug, start_ts=datetime.datetime(2024, 1, 2, 1, tzinfo=datetime.timezone.utc), end_ts="2024-01-02T02:00:00Z", columns=["close"]
        )
        self.assertEqual(window.table.to_pydict(), {"timestamp_ms": self.times[1:3], "close": [1.0, 2.0]})

    def test_nothing_is_copied(self) -> None:
        client.log_ohlcv(self.slug, {"timestamp_ms": self.times[:10], "close": [float(i) for i in range(10)]})
        frame = client.ohlcv(self.slug, limit=10, columns="close")
        values = frame.table["close"].chunk(0).buffers()[1].address
        self.assertEqual(frame.polars()["close"].to_arrow().buffers()[1].address, values)
        self.assertEqual(frame.timed().table["time"].chunk(0).buffers()[1].address, frame.table["timestamp_ms"].chunk(0).buffers()[1].address)
        arrow = frame.pandas(types_mapper=pd.ArrowDtype)
        self.assertEqual(arrow["close"].array.__arrow_array__().chunk(0).buffers()[1].address, values)

    def test_large_frames_go_in_parts(self) -> None:
        parts = list(streams(table_of({"timestamp_ms": self.times, "a": self.times}), 8000))
        tables = [pa.ipc.open_stream(part).read_all() for part in parts]
        self.assertEqual(len(tables), 10)
        self.assertEqual(pa.concat_tables(tables)["a"].to_pylist(), self.times)

    def test_a_run_with_predictions_and_a_simulation(self) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            run_id = client.log_run(self.slug, target_column="TGT_3", status="COMPLETED", folds=[fold(0)])["run_id"]
            rows = {"timestamp_ms": self.times[:2], "fold_number": [0, 0], "prediction": [0.5, 0.25]}
            self.assertEqual(client.log_predictions(run_id, rows), 2)
            self.assertEqual(client.predictions(run_id, columns=["fold_number", "prediction"]).table.to_pydict(), rows)
            trades = [
                {"side": "long", "size": 1, "entry_price": 1, "exit_price": 2, "return_pct": pct, "entry_timestamp": at, "exit_timestamp": at + HOUR}
                for pct, at in zip((1.0, -0.5), self.times)
            ]
            simulation = client.log_simulation(run_id, self.slug, "long", status="COMPLETED", trades=trades)["simulation_id"]
        self.assertEqual(client.trades(simulation).polars()["return_pct"].to_list(), [1.0, -0.5])
        self.assertEqual(client.simulation(simulation)["trade_count"], 2)
        equity = client.equity(simulation).polars()
        self.assertEqual(equity["exit_timestamp_ms"].to_list(), self.times[1:3])
        self.assertEqual(equity["cumulative_return_pct"].to_list(), [1.0, 0.5])
        compared = client.compare([run_id], points=10)
        self.assertEqual([run["simulation_id"] for run in compared["runs"]], [simulation])
        self.assertEqual([run["run_id"] for run in client.compare(dataset_slug=[self.slug])["runs"]], [run_id])
        board = client.leaderboard(dataset=self.slug, target="TGT_3")
        self.assertEqual([row["run_id"] for row in board["rows"]], [run_id])


class Live(unittest.TestCase):
    def test_what_is_written_is_told_and_told_again_to_who_comes_later(self) -> None:
        slug = f"py_live_{TAG}"
        only = {"topic": "datasets", "id": [str(uuid.uuid5(uuid.NAMESPACE_URL, slug))]}
        told = client.watch(**only)
        hello = next(told)
        self.assertEqual((hello.type, hello.event), ("hello", None))
        client.log_dataset(slug, granularity="1h")
        created = next(told)
        self.assertEqual((created.type, created.event["kind"], created.event["data"]["dataset_slug"]), ("event", "created", slug))
        told.close()
        again = [message.seq for message in itertools.islice(client.watch(after=hello.seq, **only), 2)]
        self.assertEqual(again, [hello.seq, created.seq])
        with self.assertRaisesRegex(FoldbookError, "topic"):
            next(client.watch(topic="folds"))

    def test_a_lost_connection_is_made_again_after_the_last_event(self) -> None:
        def said(kind: str, number: int, **data: object) -> str:
            return f"id: {number}\nevent: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"

        name = "two\u2028lines"  # which is no end of a line here
        answers = [
            httpx.Response(200, text=said("hello", 4, seq=9) + ": ping\n\n"),  # cut off before the event that it has missed
            httpx.ReadError("lost"),
            httpx.Response(503, headers={"Retry-After": "7"}),
            httpx.Response(200, text=said("hello", 4, seq=9) + said("runs", 5, data={"name": name}) + said("runs", 6)[:-1]),
            httpx.Response(200, text=said("reset", 9, seq=9)),
            httpx.Response(401, json={"code": "unauthorized", "message": "the key has expired", "request_id": "r", "details": {}}),
        ]
        asked, waits = [], []

        def handle(request: httpx.Request) -> httpx.Response:
            asked.append(request.headers.get("Last-Event-ID"))
            answer = answers[len(asked) - 1]
            if isinstance(answer, Exception):
                raise answer
            return answer

        watched = []
        with mock.patch("foldbook.events.time.sleep", waits.append), self.assertRaisesRegex(FoldbookError, "expired"):
            for message in Client("http://test", transport=httpx.MockTransport(handle)).watch(after=4):
                watched.append((message.type, message.seq, message.event and message.event["data"]["name"]))
        self.assertEqual(watched, [("hello", 4, None), ("hello", 4, None), ("event", 5, name), ("reset", 9, None)])
        self.assertEqual(asked, ["4", "4", "4", "4", "5", "9"])
        self.assertEqual(waits, [0.25, 0.5, 7, 0.25, 0.25])


class Repeats(unittest.TestCase):
    """What is repeated, on a service that fails as it is told to."""

    def calls(self, method: str, *answers: httpx.Response | Exception, repeatable: bool = False) -> int:
        calls = []

        def handle(request: httpx.Request) -> httpx.Response:
            answer = answers[len(calls)]
            calls.append(request)
            if isinstance(answer, Exception):
                raise answer
            return answer

        try:
            Client("http://test", retries=2, longest_wait=5, transport=httpx.MockTransport(handle)).request(method, "/x", repeatable=repeatable)
        except (FoldbookError, httpx.TransportError):
            pass
        return len(calls)

    def test_what_may_be_repeated_is(self) -> None:
        ok, lost = httpx.Response(200, json={}), httpx.ReadError("lost")

        def busy(status: int, after: str = "0") -> httpx.Response:
            return httpx.Response(status, headers={"Retry-After": after})

        self.assertEqual(self.calls("GET", busy(503), busy(429), ok), 3)
        self.assertEqual(self.calls("GET", busy(503), busy(503), busy(503)), 3)
        self.assertEqual(self.calls("GET", httpx.Response(503)), 1)  # it does not say when
        self.assertEqual(self.calls("GET", busy(503, "6")), 1)
        self.assertEqual(self.calls("GET", lost, ok), 2)
        self.assertEqual(self.calls("POST", lost), 1)
        self.assertEqual(self.calls("POST", lost, ok, repeatable=True), 2)
        self.assertEqual(self.calls("POST", busy(503)), 1)
        self.assertEqual(self.calls("POST", busy(503), ok, repeatable=True), 2)
        self.assertEqual(self.calls("POST", busy(429), ok), 2)
        self.assertEqual(self.calls("PUT", busy(503), ok), 2)
        self.assertEqual(self.calls("PUT", lost), 1)

    def test_what_is_not_of_the_service_is_an_error_too(self) -> None:
        broken = httpx.MockTransport(lambda request: httpx.Response(502, text="<html>bad gateway</html>"))
        with self.assertRaises(FoldbookError) as caught:
            Client("http://test/api/", transport=broken).dataset("a/b")
        self.assertEqual(caught.exception.code, "unknown")
        self.assertIn("bad gateway", str(caught.exception))


if __name__ == "__main__":
    unittest.main()
