// Runs side by side: what differs in their set-up, their metrics, their equity and their folds.
import { useMemo } from "preact/hooks";
import { type Answer, useGet } from "./api";
import { Chart, type Line } from "./chart";
import { day, short, write, writer } from "./format";
import { link, route } from "./route";
import { Notice } from "./ui";

type Comparison = Answer<"/api/runs/compare">;
const colors = ["--accent", "--second", "--third", "--loss", "--quiet", "--ink"];

export function Compare() {
  const ids = (route.value.query.get("runs") ?? "").split(",").filter(Boolean);
  const compared = useGet(ids.length > 0 ? "/api/runs/compare" : null, { query: { ids, points: 500 } });
  const of = compared.data;
  const lines = useMemo(() => of && equityOf(of), [of]);
  if (ids.length === 0) return <main><p class="notice">No run is selected. <a href={link(["runs"])}>Select some</a> with x, then press c.</p></main>;
  if (!of || compared.error) return <main><Notice of={compared} /></main>;
  const names = of.runs.map((run) => run.name ?? run.run_id.slice(0, 8));
  const heads = names.map((name, i) => <th key={of.runs[i]!.run_id} class="number"><a href={link(["runs", of.runs[i]!.run_id])}>{name}</a></th>);
  return (
    <main>
      <div class="heading"><h1>Compare</h1><span class="quiet">{of.count} runs; the first is the baseline</span></div>
      {of.warnings.map((text) => <p class="notice" key={text}>{text}</p>)}
      {lines && lines.x.length > 1 && <section><h2>Equity</h2><div class="card"><Chart title="Growth of 1" x={lines.x} lines={lines.lines} height={260} /></div></section>}
      {of.differences.length > 0 && (
        <Section title="Sharpe ratio per day, less the baseline's" heads={["less the baseline's", "95 % from", "to", "days of both"]}
          rows={of.differences.map((one) => [names[of.runs.findIndex((run) => run.run_id === one.run_id)] ?? one.run_id, [one.sharpe.value.value, one.sharpe.low.value, one.sharpe.high.value, String(one.periods)]])} />
      )}
      <Section title="What differs in the set-up" heads={heads} rows={of.configuration.map((one) => [one.path, one.values])} empty="Nothing: they are set up alike." />
      <Section title="Metrics" heads={heads} rows={of.metrics.map((one) => [short(one.name), one.values])} empty="They have none." />
      <Section title={`Folds: ${of.folds.metric}, by ${of.folds.aligned_by === "window" ? "test window" : "number"}`} heads={heads}
        rows={of.folds.rows.map((row) => [`${row.fold_number ?? ""} ${row.test_start_ts_ms === null ? "" : `${day(row.test_start_ts_ms)} – ${day(row.test_end_ts_ms)}`}`, row.values])} empty="They have none." />
    </main>
  );
}

function Section({ title, heads, rows, empty }: { title: string; heads: unknown[]; rows: [string, readonly unknown[]][]; empty?: string }) {
  return (
    <section>
      <h2>{title}</h2>
      {rows.length === 0 ? <p class="notice quiet">{empty}</p> : (
        <div class="scroll heat" tabIndex={0} role="region" aria-label={title}>
          <table>
            <thead><tr><td />{heads.map((head, i) => (typeof head === "string" ? <th key={i} class="number">{head}</th> : (head as never)))}</tr></thead>
            <tbody>
              {rows.map(([name, values], i) => {
                const text = writer(values);
                return <tr key={i}><th scope="row">{name}</th>{values.map((value, j) => <td key={j} class="number">{typeof value === "number" ? text(value) : write(value)}</td>)}</tr>;
              })}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function equityOf(of: Comparison): { x: number[]; lines: Line[] } {
  return {
    x: of.equity.days.map((text) => Date.parse(text)),
    lines: of.equity.values.slice(0, colors.length).map((values, i) => ({
      name: of.runs[i]?.name ?? of.runs[i]?.run_id.slice(0, 8) ?? "", values, color: colors[i]!,
    })),
  };
}
