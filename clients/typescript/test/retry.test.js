// What the client does with answers that the service gives on a bad day: a server of this test plays them.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { test } from "node:test";
import { FoldbookError, createClient } from "../dist/index.js";

/**
 * @typedef {(req: import("node:http").IncomingMessage, res: import("node:http").ServerResponse, body: string) => void} Answer
 * @param {import("node:test").TestContext} t
 * @param {Answer[]} answers one for each request, the last one for all that follow
 */
async function play(t, ...answers) {
  /** @type {string[]} */
  const bodies = [];
  const server = createServer(async (req, res) => {
    let body = "";
    for await (const part of req) body += part;
    bodies.push(body);
    answers[Math.min(bodies.length, answers.length) - 1]?.(req, res, body);
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(undefined)));
  t.after(() => server.close());
  const address = /** @type {import("node:net").AddressInfo} */ (server.address());
  return { bodies, foldbook: createClient({ baseUrl: `http://127.0.0.1:${address.port}`, token: async () => "a key" }) };
}

/** @type {(status: number, code: string, after?: string) => Answer} */
const refuse = (status, code, after) => (_, res) => {
  res.writeHead(status, after === undefined ? {} : { "Retry-After": after });
  res.end(JSON.stringify({ error: "no", message: "no", code, request_id: "r", details: {} }));
};

/** @type {Answer} */
const ok = (req, res) => {
  res.setHeader("Content-Type", "application/json");
  res.end(JSON.stringify({ status: req.headers.authorization }));
};

test("a refusal is repeated after Retry-After, with the body and the token", async (t) => {
  const { bodies, foldbook } = await play(t, refuse(503, "database_unavailable", "0"), refuse(429, "rate_limited", "0"), ok);
  const { data } = await foldbook.PUT("/api/runs/{run_id}", { params: { path: { run_id: "x" } }, body: /** @type {any} */ ({ a: 1 }) });
  assert.deepEqual(bodies, ['{"a":1}', '{"a":1}', '{"a":1}']);
  assert.equal(/** @type {any} */ (data).status, "Bearer a key");
});

test("it is repeated three times and no more", async (t) => {
  const { bodies, foldbook } = await play(t, refuse(503, "database_unavailable", "0"));
  await assert.rejects(foldbook.GET("/healthz"), { status: 503, code: "database_unavailable", retryAfter: 0 });
  assert.equal(bodies.length, 4);
});

for (const [what, answer] of /** @type {[string, Answer][]} */ ([
  ["a wait that is too long", refuse(503, "database_unavailable", "3600")],
  ["an error without Retry-After", refuse(503, "questdb_unavailable")],
  ["an error that stays", refuse(404, "not_found")],
])) {
  test(`${what} is thrown at once`, async (t) => {
    const { bodies, foldbook } = await play(t, answer);
    await assert.rejects(foldbook.GET("/healthz"), FoldbookError);
    assert.equal(bodies.length, 1);
  });
}

test("a POST that may have been done is not repeated, one that was refused is", async (t) => {
  const { bodies, foldbook } = await play(t, refuse(429, "rate_limited", "0"), refuse(503, "database_unavailable", "0"), ok);
  await assert.rejects(foldbook.POST("/api/datasets", { body: { dataset_id: "x", dataset_slug: "x" } }), { status: 503 });
  assert.equal(bodies.length, 2);
});

test("a read whose connection is lost is repeated, a write is not", async (t) => {
  /** @type {Answer} */
  const lose = (req) => void req.socket.destroy();
  const { foldbook } = await play(t, lose, ok, lose, ok);
  assert.equal((await foldbook.GET("/healthz")).response.status, 200);
  await assert.rejects(foldbook.DELETE("/api/datasets/{dataset_id}", { params: { path: { dataset_id: "x" } } }), TypeError);
});

test("a wait ends when the caller gives up", async (t) => {
  const giveUp = new AbortController();
  const { foldbook } = await play(t, (req, res, body) => {
    refuse(503, "database_unavailable", "20")(req, res, body);
    res.on("close", () => giveUp.abort());
  });
  await assert.rejects(foldbook.GET("/healthz", { signal: giveUp.signal }), { name: "AbortError" });
});

test("an answer of a proxy is an error with its status", async (t) => {
  const { foldbook } = await play(t, (_, res) => {
    res.writeHead(502);
    res.end("<html>Bad Gateway</html>");
  });
  await assert.rejects(foldbook.GET("/healthz"), { status: 502, code: "unknown", message: /Bad Gateway/ });
});

test("rows that are cut off throw", async (t) => {
  const { foldbook } = await play(
    t,
    (_, res) => res.write('{"timestamp_ms":1}\n', () => res.destroy()),
    (_, res) => res.end('{"timestamp_ms":1}\n{"timesta'),
  );
  for (const _ of [1, 2]) {
    let rows = 0;
    await assert.rejects(async () => {
      for await (const row of foldbook.rows("/api/datasets/{dataset_id}/ohlcv", { path: { dataset_id: "x" } })) rows += row.timestamp_ms;
    }, TypeError);
    assert.equal(rows, 1);
  }
});
