// The client against a service: TestTypeScriptClient of package api starts one, and without FOLDBOOK_URL it is that of make run.
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { before, test } from "node:test";
import { FoldbookError, createClient } from "../dist/index.js";

const baseUrl = process.env.FOLDBOOK_URL ?? "http://127.0.0.1:33931";
const foldbook = createClient({ baseUrl, token: process.env.FOLDBOOK_TOKEN });
const symbol = randomUUID();
const slugs = ["a", "b", "c", "d", "e"].map((name) => `${name}_${symbol.slice(0, 8)}`);
const dataset_id = slugs[0] ?? "";

before(async () => {
  for (const dataset_slug of slugs) {
    const { data } = await foldbook.POST("/api/datasets", { body: { dataset_id: randomUUID(), dataset_slug, symbol, granularity: "1h" } });
    assert.equal(typeof data.dataset_id, "string");
  }
});

test("a list is read page after page, each record once", async () => {
  const seen = [];
  for await (const dataset of foldbook.datasets({ symbol, limit: 2 })) {
    // @ts-expect-error -- the rows have no such column
    assert.equal(dataset.no_such_column, undefined);
    seen.push(dataset.dataset_slug);
  }
  assert.deepEqual(seen.sort(), slugs);
});

test("several values are one parameter, metrics are one each", async () => {
  const found = foldbook.runs({ status: ["COMPLETED", "FAILED"], metric: ["summary_metrics.a>1", "summary_metrics.b<2"] });
  assert.equal((await found.next()).done, true);
});

test("rows that were stored are read one by one", async () => {
  const rows = Array.from({ length: 5000 }, (_, i) => ({ timestamp_ms: 1704153600000 + i * 3600000, open: 1, high: 3, low: 1, close: i, volume: 10 }));
  const { data } = await foldbook.POST("/api/datasets/{dataset_id}/ohlcv/append", { params: { path: { dataset_id } }, body: { rows } });
  assert.equal(data.rows_written, rows.length);
  let closes = 0;
  for await (const row of foldbook.rows("/api/datasets/{dataset_id}/ohlcv", { path: { dataset_id } })) {
    assert.equal(row.close, closes);
    closes++;
  }
  assert.equal(closes, rows.length);
  for await (const row of foldbook.rows("/api/datasets/{dataset_id}/ohlcv", { path: { dataset_id }, query: { desc: true } })) {
    assert.equal(row.close, rows.length - 1);
    break; // the request ends with the loop
  }
});

test("changes arrive, and none is missed between a list and the subscription", async () => {
  const { response } = await foldbook.GET("/api/datasets");
  const id = randomUUID();
  const stop = new AbortController();
  const body = { dataset_id: id, dataset_slug: `live_${id.slice(0, 8)}`, symbol, granularity: "1h" };
  await foldbook.POST("/api/datasets", { body });
  const seen = [];
  for await (const message of foldbook.events({ id: [id], after: Number(response.headers.get("X-Event-Seq")), signal: stop.signal })) {
    seen.push(message.type === "event" ? message.event.kind : message.type);
    if (message.type === "hello") await foldbook.POST("/api/datasets", { body });
    if (seen.length === 3) stop.abort();
  }
  assert.deepEqual(seen, ["hello", "created", "changed"]);
});

test("an error has the code, the message and the id of the service", async () => {
  const run_id = randomUUID();
  await assert.rejects(foldbook.GET("/api/runs/{run_id}", { params: { path: { run_id } }, headers: { "X-Request-Id": "mine" } }), (error) => {
    assert.ok(error instanceof FoldbookError);
    assert.deepEqual([error.status, error.code, error.requestId], [404, "not_found", "mine"]);
    assert.match(error.message, new RegExp(run_id));
    return true;
  });
  // @ts-expect-error -- the path needs an id
  await assert.rejects(foldbook.GET("/api/runs/{run_id}"), FoldbookError);
});

test("the base may end in /api, as the dashboard's may", async () => {
  const { data } = await createClient({ baseUrl: `${baseUrl}/api/` }).GET("/healthz");
  assert.equal(data.status, "ok");
});
