// One run: its figures, the equity of its simulations, its folds, what one fold did, and how it was set up.
import { useMemo } from "preact/hooks";
import { type Answer, type Columns, useColumns, useGet } from "./api";
import { Chart, type Line } from "./chart";
import { times } from "./candles";
import { Delete, Edit } from "./edit";
import { FoldDetail } from "./fold";
import { Folds } from "./foldtable";
import { label, lasted, minute, write } from "./format";
import { Artifacts, NoteList } from "./notes";
import { change, link, route } from "./route";
import { nameOf } from "./runs";
import { Tearsheet } from "./tearsheet";
import { Badge, Figure, Members, Notice } from "./ui";

type Simulation = Answer<"/api/runs/{run_id}/simulations">["simulations"][number];

const usual = ["sharpe", "pf_dual", "pf_long", "pf_short", "running_sum_dual", "running_sum", "hit_rate", "short_hit_rate", "profitable_folds", "mean_score", "total_signals"];

export function RunPage({ id }: { id: string }) {
  const run = useGet("/api/runs/{run_id}", { path: { run_id: id } });
  const simulations = useGet("/api/runs/{run_id}/simulations", { path: { run_id: id }, query: { limit: 100 } });
  const notes = useGet("/api/runs/{run_id}/annotations", { path: { run_id: id } });
  if (!run.data || run.error) return <main><Notice of={run} /></main>;
  const of = run.data;
  const figures = usual.filter((name) => typeof of.summary_metrics?.[name] === "number").slice(0, 8);
  const shown = route.value.query.get("simulation");
  const all = simulations.data?.simulations ?? [];
  const simulation = all.find((one) => one.simulation_id === shown) ?? all[0];
  return (
    <main>
      <p class="crumbs"><a href={link(["runs"])}>Runs</a> / {of.dataset_slug && <a href={link(["runs"], { dataset: of.dataset_slug })}>{of.dataset_slug}</a>}</p>
      <div class="heading">
        <h1>{nameOf(of)}</h1>
        <Badge status={of.status} />
        <span class="end"><Edit run={of} again={run.again} /><Delete run={of} /></span>
      </div>
      <p class="facts quiet">
        {(of.tags ?? []).map((tag) => <a class="tag" key={tag} href={link(["runs"], { tags: tag })}>{tag}</a>)}
        {of.name && <span>{of.prediction_measurement}</span>}
        <span>target {of.target_column ?? "unknown"}</span>
        <span>{of.feature_columns?.length ?? 0} features</span>
        <span>{of.folds.length.toLocaleString("en")} folds</span>
        {of.search_id && <span>search <a href={link(["runs"], { search_id: of.search_id })}>{of.search_id}</a>, <a href={link(["leaderboard"], { search_id: of.search_id })}>ranked</a></span>}
        {of.git_commit && <span>commit <code>{of.git_commit.slice(0, 10)}</code></span>}
        <span>by {of.requested_by ?? "nobody named"}, {minute(of.created_at)} UTC{of.duration_ms ? `, in ${lasted(of.duration_ms)}` : ""}</span>
      </p>
      {figures.length > 0 && (
        <dl class="figures">
          {figures.map((name) => <Figure key={name} name={label(name)} title={`summary_metrics.${name}`}>{write(of.summary_metrics?.[name])}</Figure>)}
        </dl>
      )}
      <section>
        <h2>Notes</h2>
        {of.notes && <div class="card note"><p>{of.notes}</p></div>}
        <NoteList run={id} notes={notes} />
      </section>
      <section>
        <div class="heading">
          <h2>Equity</h2>
          {all.length > 1 && (
            <label class="inline">
              simulation{" "}
              <select value={simulation?.simulation_id} onChange={(event) => change({ simulation: event.currentTarget.value }, { replace: true })}>
                {all.map((one) => <option key={one.simulation_id} value={one.simulation_id}>{simulationName(one)}</option>)}
              </select>
            </label>
          )}
          {all.length === 1 && <span class="quiet">{simulationName(all[0]!)}</span>}
        </div>
        {simulation ? <Equity of={simulation} /> : simulations.error ? <Notice of={simulations} /> : simulations.data && <p class="notice quiet">No simulation of this run is stored.</p>}
      </section>
      <Folds folds={of.folds} />
      <FoldDetail key={route.value.query.get("fold") ?? ""} run={of} simulation={simulation?.simulation_id} notes={notes} />
      {simulation && <Tearsheet key={simulation.simulation_id} simulation={simulation.simulation_id} />}
      <Artifacts run={id} />
      <section>
        <h2>Configuration</h2>
        <div class="cards">
          <div class="card"><h3>Hyperparameters</h3><Members of={of.hyperparameters} /></div>
          <div class="card"><h3>Walk-forward</h3><Members of={of.walk_config} /></div>
          <div class="card"><h3>Features</h3><ul class="features">{(of.feature_columns ?? []).map((name) => <li key={name}><code>{name}</code></li>)}</ul></div>
          {simulation && <div class="card"><h3>Simulation</h3><Members of={simulation.config} /></div>}
          {of.cost_model && Object.keys(of.cost_model).length > 0 && <div class="card"><h3>Costs</h3><Members of={of.cost_model} /></div>}
          <div class="card whole"><h3>Metrics</h3><Members of={of.summary_metrics} /></div>
        </div>
      </section>
    </main>
  );
}

const simulationName = (of: Simulation): string => [of.questdb_namespace ?? of.simulation_id.slice(0, 8), of.mode].filter(Boolean).join(" · ");

/** The cumulated return and how far it is below its highest. */
function Equity({ of }: { of: Simulation }) {
  const marked = route.value.query.get("basis") === "mark";
  const equity = useColumns("/api/simulations/{simulation_id}/equity", {
    path: { simulation_id: of.simulation_id },
    query: { points: 1200, ...(marked ? { basis: "mark" as const, every: "day" as const } : {}) },
  });
  const data = equity.data as (Columns & { total_return_pct: number; max_drawdown_pct: number; warnings?: string[] }) | undefined;
  const lines = useMemo(() => equityLines(data), [data]);
  const figure = (name: string) => of.summary_metrics?.[name];
  return (
    <>
      {data && (
        <dl class="figures">
          <Figure name="total return %">{write(data.total_return_pct)}</Figure>
          <Figure name="max drawdown %">{write(data.max_drawdown_pct)}</Figure>
          {["profit_factor", "win_rate", "total_trades", "buy_and_hold_pct", "fees_paid"].filter((name) => typeof figure(name) === "number")
            .map((name) => <Figure key={name} name={label(name).replace(/pct$/, "%")}>{write(figure(name))}</Figure>)}
        </dl>
      )}
      {data && lines && data.count > 0 && (
        <div class="card">
          <Chart title="Return, %" x={lines.x} lines={lines.equity} sync="equity">
            <span class="choice">
              <button class="small" aria-pressed={!marked} onClick={() => change({ basis: null }, { replace: true })}>closed trades</button>
              <button class="small" aria-pressed={marked} onClick={() => change({ basis: "mark" }, { replace: true })}>marked daily</button>
            </span>
          </Chart>
          <Chart title="Below the highest, %" x={lines.x} lines={lines.underwater} height={130} sync="equity" />
        </div>
      )}
      {data && data.count === 0 && <p class="notice quiet">The simulation has no trades.</p>}
      {(data?.warnings ?? []).map((text) => <p class="notice quiet" key={text}>{text}</p>)}
      {!data && <Notice of={equity} />}
      {data && equity.error && <Notice of={equity} />}
    </>
  );
}

function equityLines(data: Columns | undefined): { x: number[]; equity: Line[]; underwater: Line[] } | null {
  if (!data) return null;
  const exits = data.rows.exit_timestamp_ms as (number | null)[] | undefined;
  const x = times(data).map((time, i) => exits?.[i] ?? time);
  const line = (names: string[], name: string, color: string, fill: boolean): Line[] => {
    const found = names.find((one) => data.rows[one]);
    return found ? [{ name, values: data.rows[found] as (number | null)[], color, fill }] : [];
  };
  return {
    x,
    equity: line(["cumulative_return_pct"], "return", "--accent", false),
    underwater: line(["drawdown_pct"], "drawdown", "--loss", true),
  };
}

