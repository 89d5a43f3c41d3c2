// The runs that match, with the columns that are chosen.
import { useEffect, useRef, useState } from "preact/hooks";
import { type Schemas, useGet } from "./api";
import { Filters } from "./filters";
import { foldReturns } from "./folds";
import { ago, label, leaves, minute, short, valueAt, writer } from "./format";
import { change, changed, link, route } from "./route";
import { Badge, Notice, Spark } from "./ui";

export type Run = Schemas["RunList"]["runs"][number];
const pageSize = 50;

/** Columns that are shown until others are chosen: the first five of these that runs have, or of what they have. */
const usual = ["sharpe", "pf_dual", "pf_long", "pf_short", "running_sum_dual", "running_sum", "hit_rate", "mean_score", "total_signals"];

export function chosen(runs: readonly Run[], cols: string | null): string[] {
  if (cols !== null) return cols.split(",").filter(Boolean);
  const there = pathsOf(runs);
  const known = usual.map((name) => `summary_metrics.${name}`).filter((path) => there.includes(path));
  return (known.length > 0 ? known : there.filter((path) => path.startsWith("summary_metrics."))).slice(0, 5);
}

/** What the runs have to choose from. */
export function pathsOf(runs: readonly Run[]): string[] {
  const all = new Set<string>();
  for (const run of runs)
    for (const column of ["summary_metrics", "hyperparameters", "walk_config"] as const) leaves(run[column], column, all);
  return [...all].sort();
}

export const nameOf = (run: { name: string | null; prediction_measurement: string | null; run_id: string }): string =>
  run.name ?? run.prediction_measurement ?? run.run_id.slice(0, 8);

export const selection = (): string[] => (route.value.query.get("sel") ?? "").split(",").filter(Boolean);

export function select(id: string): void {
  const now = selection();
  change({ sel: (now.includes(id) ? now.filter((other) => other !== id) : [...now, id]).join(",") }, { replace: true });
}

export function Runs() {
  const query = route.value.query;
  const offset = Number(query.get("offset") ?? 0);
  const list = useGet("/api/runs", {
    query: {
      search: query.get("search") ?? undefined,
      status: query.get("status") ? ([query.get("status")] as never) : undefined,
      dataset_id: query.get("dataset") ? ([query.get("dataset")] as never) : undefined,
      tags: query.get("tags") ? ([query.get("tags")] as never) : undefined,
      search_id: query.get("search_id") ? ([query.get("search_id")] as never) : undefined,
      metric: query.getAll("metric"),
      sort: query.get("sort") ?? undefined,
      limit: pageSize,
      offset,
    },
  });
  const runs = list.data?.runs ?? [];
  const total = list.data?.total ?? 0;
  const columns = chosen(runs, query.get("cols"));
  const filtered = ["search", "status", "dataset", "tags", "search_id", "metric"].some((name) => query.has(name));
  return (
    <main>
      <div class="heading">
        <h1>Runs</h1>
        {list.data && <span class="quiet">{total.toLocaleString("en")}{filtered ? " match" : ""}</span>}
      </div>
      {selection().length > 0 && (
        <p class="notice">
          {selection().length} selected. <a href={link(["compare"], { runs: selection().join(",") })}>Compare</a> · <a href={changed({ sel: null })}>Clear</a>
        </p>
      )}
      <Filters paths={pathsOf(runs)} columns={columns} />
      {(list.data?.warnings ?? []).map((text) => <p class="notice quiet" key={text}>{text}</p>)}
      {list.error && <Notice of={list} />}
      {!list.error && list.data && runs.length === 0 && (
        <div class="notice empty">
          {filtered ? (
            <p>No run matches. <a href={link(["runs"])}>Show all</a></p>
          ) : (
            <p>There is no run yet. A program stores one by <code>POST /api/runs</code>; <a href="docs">the reference</a> says how.</p>
          )}
        </div>
      )}
      {!list.data && !list.error && <Notice of={list} />}
      {runs.length > 0 && !list.error && <Table runs={runs} columns={columns} busy={list.loading} />}
      {total > pageSize && <Pages offset={offset} total={total} />}
    </main>
  );
}

function Table({ runs, columns, busy }: { runs: readonly Run[]; columns: string[]; busy: boolean }) {
  const sort = route.value.query.get("sort") ?? "";
  const picked = selection();
  const writers = columns.map((path) => writer(runs.map((run) => valueAt(run, path))));
  return (
    <div class="scroll" tabIndex={0} role="region" aria-label="Runs, with their figures">
      <table class={`records ${busy ? "busy" : ""}`}>
        <thead>
          <tr>
            <th class="tick"><span class="unseen">Selected</span></th>
            <th class="name">Run</th>
            <th>Status</th>
            <th class="number">Folds</th>
            <th>Fold returns</th>
            {columns.map((path) => <SortedHead key={path} path={path} sort={sort} />)}
            <SortedHead path="created_at" sort={sort} />
          </tr>
        </thead>
        <tbody>
          {runs.map((run) => (
            <tr key={run.run_id} tabIndex={-1} data-row={run.run_id} class={picked.includes(run.run_id) ? "picked" : ""}>
              <td class="tick">
                <input type="checkbox" aria-label={`Select ${nameOf(run)}`} checked={picked.includes(run.run_id)}
                  onChange={() => select(run.run_id)} />
              </td>
              <th scope="row" class="name">
                <a href={link(["runs", run.run_id])}>{nameOf(run)}</a>
                <small>{run.dataset_slug ?? "no dataset"} · {run.target_column ?? "no target"}</small>
              </th>
              <td><Badge status={run.status} /></td>
              <td class="number">{run.fold_count.toLocaleString("en")}</td>
              <td><FoldSpark run={run} /></td>
              {columns.map((path, i) => {
                const value = valueAt(run, path);
                return <td key={path} class={typeof value === "number" ? "number" : ""}>{writers[i]!(value)}</td>;
              })}
              <td class="number quiet" title={minute(run.created_at)}>{ago(run.created_at)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

/** The head of a column that sorts: descending first, then ascending, then not at all. */
function SortedHead({ path, sort }: { path: string; sort: string }) {
  const next = sort === `-${path}` ? path : sort === path ? null : `-${path}`;
  const order = sort === `-${path}` ? "descending" : sort === path ? "ascending" : undefined;
  return (
    <th class="number" aria-sort={order}>
      <a href={changed({ sort: next, offset: null })} title={path}>
        <span aria-hidden="true">{order === "descending" ? "▾ " : order === "ascending" ? "▴ " : ""}</span>
        {path === "created_at" ? "Created" : label(short(path))}
      </a>
    </th>
  );
}

/** The returns of a run's folds, read once the row can be seen. */
function FoldSpark({ run }: { run: Run }) {
  const here = useRef<HTMLElement>(null);
  const [seen, see] = useState(false);
  useEffect(() => {
    const watch = new IntersectionObserver((entries) => entries.some((one) => one.isIntersecting) && see(true));
    watch.observe(here.current!.closest("tr")!);
    return () => watch.disconnect();
  }, []);
  const folds = useGet(seen && run.fold_count > 0 ? "/api/runs/{run_id}/folds" : null, {
    path: { run_id: run.run_id },
    query: { limit: 200, count: "none", fields: ["fold_number", "metrics"] as never },
  });
  const returns = foldReturns((folds.data?.folds ?? []) as Schemas["WalkforwardFold"][]);
  if (!returns) return <span ref={here} class="quiet">{folds.data || folds.error || run.fold_count === 0 ? "–" : ""}</span>;
  const of = run.fold_count > 200 ? `the first 200 of ${run.fold_count}` : String(run.fold_count);
  return <Spark values={returns.values} title={`${returns.name} of ${of} folds; ${returns.values.filter((v) => v > 0).length} above 0`} />;
}

function Pages({ offset, total }: { offset: number; total: number }) {
  const last = Math.min(offset + pageSize, total);
  return (
    <nav class="pages" aria-label="Pages">
      {offset > 0 ? <a href={changed({ offset: Math.max(0, offset - pageSize) || null })}>← Before</a> : <span />}
      <span class="quiet">{offset + 1}–{last} of {total.toLocaleString("en")}</span>
      {last < total ? <a href={changed({ offset: offset + pageSize })}>Next →</a> : <span />}
    </nav>
  );
}
