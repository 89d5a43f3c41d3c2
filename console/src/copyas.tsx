// The requests of the view, as a program sends them.
import { useState } from "preact/hooks";
import { session, type Shown, shown } from "./api";
import { Copy, Dialog } from "./ui";

const kinds = ["curl", "TypeScript", "Python", "SQL"] as const;
type Kind = (typeof kinds)[number];

export function CopyAs({ onClose }: { onClose: () => void }) {
  const [kind, setKind] = useState<Kind>("curl");
  const requests = [...new Map(shown.value.map((one) => [one.address, one])).values()]
    .filter((one) => (one.path !== "/api/health" || shown.value.length < 3) && !(one.path === "/api/datasets" && one.params.query?.fields));
  const text = requests.map((one) => write(one, kind)).filter(Boolean).join("\n\n");
  const whole = kind === "TypeScript" ? `${tsHead()}\n\n${text}` : kind === "Python" ? `${pyHead()}\n\n${text}` : text;
  return (
    <Dialog title="This view as code" onClose={onClose}>
      <div class="choice" role="group" aria-label="Language">
        {kinds.map((one) => <button key={one} aria-pressed={one === kind} onClick={() => setKind(one)}>{one}</button>)}
        <span class="end"><Copy text={whole} /></span>
      </div>
      <pre class="code" tabIndex={0} aria-label={`The requests as ${kind}`}>{whole || "This view reads nothing that SQL answers."}</pre>
      {kind === "SQL" && <p class="quiet">Records are in PostgreSQL, rows in QuestDB; both are asked by psql.</p>}
    </Dialog>
  );
}

const base = (): string => location.origin + location.pathname.replace(/\/$/, "");
// Where a key is needed, programs find it in the environment, as the clients do.
const tsHead = () => `import { createClient } from "foldbook-client";\n\nconst foldbook = createClient({ baseUrl: ${JSON.stringify(base())}${session.value ? ", token: process.env.FOLDBOOK_TOKEN" : ""} });`;
const pyHead = () => `from foldbook import Client\n\nclient = Client(${JSON.stringify(base())})${session.value ? "  # FOLDBOOK_TOKEN has the key" : ""}`;
const curlHead = () => (session.value ? ` -H "Authorization: Bearer $FOLDBOOK_TOKEN"` : "");
const queryOf = (one: Shown): [string, unknown][] => Object.entries(one.params.query ?? {}).filter(([, value]) => value !== undefined && value !== "" && !(Array.isArray(value) && value.length === 0));

function write(one: Shown, kind: Kind): string {
  const query = queryOf(one);
  switch (kind) {
    case "curl":
      return `curl${curlHead()} '${base()}/${one.address.replaceAll("'", "%27")}'`;
    case "TypeScript": {
      const params = { ...(one.params.path ? { path: one.params.path } : {}), ...(query.length ? { query: Object.fromEntries(query) } : {}) };
      const init = Object.keys(params).length ? `, { params: ${JSON.stringify(params, null, 2)} }` : "";
      return `console.log((await foldbook.GET(${JSON.stringify(one.path)}${init})).data);`;
    }
    case "Python":
      return python(one, query);
    case "SQL":
      return sql(one);
  }
}

/** The methods of the Python client: lists, frames and records. */
const lists = ["runs", "folds", "datasets", "trades"];
const frames = ["predictions", "ohlcv", "trace", "equity"];
const records = ["run", "dataset", "compare", "leaderboard"];
const literal = (value: unknown): string => (typeof value === "boolean" ? (value ? "True" : "False") : JSON.stringify(value));

function python(one: Shown, query: [string, unknown][]): string {
  const name = one.path.replace(/s\/{\w+}$/, "").replace(/.*\//, ""); // /api/runs/{run_id} is run
  if (![...lists, ...frames, ...records].includes(name)) {
    const members = query.map(([name, value]) => `${literal(name)}: ${literal(value)}`);
    return `print(client.request("GET", ${literal("/" + one.address.split("?")[0])}${members.length ? `, {${members.join(", ")}}` : ""}))`;
  }
  const values = query.filter(([key]) => key !== "shape" && key !== "ids").map(([key, value]) => `${key}=${literal(value)}`);
  const first = [...Object.values(one.params.path ?? {}), ...query.filter(([key]) => key === "ids").map(([, value]) => value)].map(literal);
  const call = `client.${name}(${[...first, ...values].join(", ")})`;
  return `print(${lists.includes(name) ? `list(${call})` : frames.includes(name) ? `${call}.table` : call})`;
}

const text = (value: unknown): string => `'${String(value).replaceAll("'", "''")}'`;
const isID = (value: string) => /^[0-9a-f-]{36}$/.test(value);

/** What answers the same from the tables; nothing where the service computes the answer. */
function sql(one: Shown): string {
  const id = Object.values(one.params.path ?? {})[0] ?? "";
  const query = Object.fromEntries(queryOf(one));
  switch (one.path) {
    case "/api/runs":
      return `-- PostgreSQL\nSELECT r.*, d.dataset_slug FROM walkforward_runs r LEFT JOIN indicator_datasets d USING (dataset_id)${runsWhere(query)}\nORDER BY ${order(query.sort)} LIMIT ${query.limit ?? 50} OFFSET ${query.offset ?? 0};`;
    case "/api/runs/{run_id}":
      return `-- PostgreSQL\nSELECT * FROM walkforward_runs WHERE run_id = ${text(id)};\nSELECT * FROM walkforward_folds WHERE run_id = ${text(id)} ORDER BY fold_number;`;
    case "/api/runs/{run_id}/simulations":
      return `-- PostgreSQL\nSELECT * FROM simulation_runs WHERE run_id = ${text(id)} ORDER BY created_at DESC, simulation_id;`;
    case "/api/runs/{run_id}/folds":
      return `-- PostgreSQL\nSELECT fold_number, metrics FROM walkforward_folds WHERE run_id = ${text(id)} ORDER BY fold_number LIMIT ${query.limit ?? 1000};`;
    case "/api/datasets":
      return `-- PostgreSQL\nSELECT * FROM indicator_datasets ORDER BY created_at DESC, dataset_id LIMIT ${query.limit ?? 50};`;
    case "/api/datasets/{dataset_id}":
      return `-- PostgreSQL\nSELECT * FROM indicator_datasets WHERE ${isID(id) ? "dataset_id" : "dataset_slug"} = ${text(id)};`;
    case "/api/simulations/{simulation_id}/trades":
    case "/api/simulations/{simulation_id}/equity":
      return `-- PostgreSQL\nSELECT * FROM simulation_trades WHERE simulation_id = ${text(id)} ORDER BY bar_timestamp, trade_id;`;
  }
  if (!one.table) return "";
  const time = [query.start_ts && `timestamp >= ${Number(query.start_ts) * 1000}`, query.end_ts && `timestamp <= ${Number(query.end_ts) * 1000}`].filter(Boolean);
  const columns = query.columns ? `timestamp, ${String(query.columns).split(",").map((name) => `"${name}"`).join(", ")}` : "*";
  return `-- QuestDB, all rows of which the view shows a part\nSELECT ${columns} FROM "${one.table}"${time.length ? ` WHERE ${time.join(" AND ")}` : ""} ORDER BY timestamp;`;
}

function runsWhere(query: Record<string, unknown>): string {
  const conditions = ["status", "search_id"].filter((name) => query[name]).map((name) => `r.${name} = ${text(query[name])}`);
  if (query.dataset_id) conditions.push(`${isID(String(query.dataset_id)) ? "r.dataset_id" : "d.dataset_slug"} = ${text(query.dataset_id)}`);
  if (query.tags) conditions.push(`r.tags ? ${text(query.tags)}`);
  if (query.search) conditions.push(`concat_ws(' ', r.name, r.prediction_measurement, r.target_column, d.dataset_slug, d.symbol) ILIKE ${text(`%${query.search}%`)}`);
  for (const metric of (query.metric as string[] | undefined) ?? []) {
    const found = /^(\w+)\.([\w.]+)(>=|<=|!=|>|<|=)(.+)$/.exec(metric);
    if (found) conditions.push(`(r.${found[1]} #>> '{${found[2]!.replaceAll(".", ",")}}')${Number.isNaN(Number(found[4])) ? "" : "::float8"} ${found[3]} ${Number.isNaN(Number(found[4])) ? text(found[4]) : found[4]}`);
    else conditions.push(`true /* ${metric.replaceAll("*/", "")} */`);
  }
  return conditions.length ? `\nWHERE ${conditions.join("\n  AND ")}` : "";
}

function order(sort: unknown): string {
  const path = String(sort ?? "-created_at");
  const [column = "", ...keys] = path.replace(/^-/, "").split(".");
  const by = keys.length ? `(r.${column} #>> '{${keys.join(",")}}')::float8` : `r.${column}`;
  return `${by} ${path.startsWith("-") ? "DESC" : "ASC"} NULLS LAST, r.run_id`;
}
