// One fold: the bars of its test window with the trades, and the predictions with their thresholds.
import { useMemo } from "preact/hooks";
import { type Answer, type Columns, type Loaded, type Schemas, useColumns, useGet } from "./api";
import { candleLines, drawCandles, interval, times, type Trade } from "./candles";
import { Chart, type Line } from "./chart";
import { label, minute, write, writer } from "./format";
import { NoteList } from "./notes";
import { changed, route } from "./route";
import { Failure, Members, Notice } from "./ui";

type Run = Answer<"/api/runs/{run_id}">;
type Fold = Schemas["WalkforwardFold"];

export function FoldDetail({ run, simulation, notes }:
  { run: Run; simulation: string | undefined; notes: Loaded<Answer<"/api/runs/{run_id}/annotations">> }) {
  const number = route.value.query.get("fold");
  const fold = run.folds.find((one) => String(one.fold_number) === number);
  if (number === null) return null;
  if (!fold) return <p class="notice">The run has no fold {number}.</p>;
  const at = run.folds.indexOf(fold);
  const beside = (i: number, text: string) => run.folds[i] && <a href={changed({ fold: run.folds[i]!.fold_number })}>{text}</a>;
  return (
    <section class="fold" aria-label={`Fold ${number}`}>
      <div class="heading">
        <h2>Fold {number}</h2>
        <span class="quiet">{fold.test_start_ts_ms == null ? "tested" : `tested ${minute(fold.test_start_ts_ms)} – ${minute(fold.test_end_ts_ms)} UTC,`} after {fold.samples_train?.toLocaleString("en")} rows of training</span>
        <span class="end">{beside(at - 1, "← Before")}{beside(at + 1, "Next →")}<a href={changed({ fold: null })}>Close</a></span>
      </div>
      {fold.test_start_ts_ms == null || fold.test_end_ts_ms == null ? (
        <p class="notice quiet">The times of the fold are not known: its rows in QuestDB were not there when it was stored.</p>
      ) : (
        <Window run={run} fold={fold} from={fold.test_start_ts_ms} to={fold.test_end_ts_ms} simulation={simulation} />
      )}
      <div class="cards uneven">
        <div class="card"><h3>Metrics</h3><Members of={fold.metrics} /></div>
        <div class="card"><h3>Thresholds</h3><Members of={fold.thresholds} /></div>
      </div>
      <NoteList run={run.run_id} notes={notes} fold={fold.fold_number} />
    </section>
  );
}

function Window({ run, fold, from, to, simulation }: { run: Run; fold: Fold; from: number; to: number; simulation: string | undefined }) {
  const range = { start_ts: String(from), end_ts: String(to) };
  const dataset = useGet("/api/datasets/{dataset_id}", { path: { dataset_id: run.dataset_id } });
  const length = interval(from, to, dataset.data?.bar_interval_ms ?? null);
  const bars = useColumns(dataset.data ? "/api/datasets/{dataset_id}/ohlcv" : null, {
    path: { dataset_id: run.dataset_id }, query: { ...range, ...(length ? { interval: length, partial: true } : {}) },
  });
  const predictions = useColumns("/api/runs/{run_id}/predictions", { path: { run_id: run.run_id }, query: { ...range, fold: fold.fold_number, points: 1000 } });
  const { trades, failed } = useTrades(simulation, from, to);
  const candles = useMemo(() => bars.data && { x: times(bars.data), lines: candleLines(bars.data) }, [bars.data]);
  const lines = useMemo(() => predictions.data && predictionLines(predictions.data), [predictions.data]);
  return (
    <>
      {!bars.data && <Notice of={dataset.error ? dataset : bars} />}
      {candles && candles.x.length > 0 && (
        <div class="card">
          <Chart key={trades.length} title={`Bars${length ? ` of ${length}` : ""}${trades.length ? `, ${trades.length} trades` : ""}`} x={candles.x} lines={candles.lines} height={280}
            sync="fold" draw={(plot, color) => drawCandles(plot, color, trades)} />
          {lines && lines.x.length > 0 && <Chart title="Predictions" x={lines.x} lines={lines.lines} height={190} sync="fold" />}
        </div>
      )}
      {candles && candles.x.length === 0 && <p class="notice quiet">The dataset has no bars in this window.</p>}
      {predictions.error && predictions.error.code !== bars.error?.code && <Notice of={predictions} />}
      {predictions.data && predictions.data.count === 0 && <p class="notice quiet">No prediction of this fold is stored.</p>}
      {failed && failed.code !== bars.error?.code && <Failure error={failed} />}
      {trades.length > 0 && <Trades trades={trades} />}
    </>
  );
}

function predictionLines(data: Columns): { x: number[]; lines: Line[] } {
  const wanted: [string, Omit<Line, "values" | "name">][] = [
    ["prediction", { color: "--accent" }], ["target", { color: "--third" }],
    ["long_threshold", { color: "--gain", dash: [5, 4], step: true }], ["short_threshold", { color: "--loss", dash: [5, 4], step: true }],
  ];
  const there = wanted.filter(([name]) => data.rows[name]?.some((value) => typeof value === "number"));
  return { x: times(data), lines: there.map(([name, how]) => ({ name: label(name), values: data.rows[name] as (number | null)[], ...how })) };
}

/** The trades that begin within a time: of the trace, which is found by time, or else of the first thousand that are stored. */
function useTrades(simulation: string | undefined, from: number, to: number) {
  const trace = useColumns(simulation ? "/api/simulations/{simulation_id}/trace" : null, {
    path: { simulation_id: simulation ?? "" }, query: { start_ts: String(from), end_ts: String(to), limit: 1000 },
  });
  const without = trace.error !== undefined || trace.data?.count === 0;
  const stored = useGet(simulation && without ? "/api/simulations/{simulation_id}/trades" : null, { path: { simulation_id: simulation ?? "" }, query: { limit: 1000 } });
  const trades = useMemo((): Trade[] => {
    if (trace.data && trace.data.count > 0) return traced(trace.data);
    return (stored.data?.trades ?? []).map((trade) => ({
      entry: trade.bar_timestamp_ms, exit: typeof trade.metadata?.exit_timestamp === "number" ? trade.metadata.exit_timestamp : null, side: trade.side,
      entryPrice: trade.entry_price, exitPrice: trade.exit_price, returned: trade.return_pct,
    })).filter((trade) => trade.entry >= from && trade.entry <= to);
  }, [trace.data, stored.data]);
  return { trades, failed: stored.error };
}

function traced(data: Columns): Trade[] {
  const cell = (name: string, i: number) => data.rows[name]?.[i] ?? null;
  const number = (name: string, i: number) => (typeof cell(name, i) === "number" ? (cell(name, i) as number) : null);
  return times(data).map((entry, i) => {
    const exit = number("exit_timestamp_unix", i);
    return {
      entry, exit: exit === null ? null : exit * 1000, side: String(cell("side_label", i) ?? cell("side", i) ?? ""),
      entryPrice: number("entry_price", i), exitPrice: number("exit_price", i), returned: number("return_pct", i),
    };
  });
}

function Trades({ trades }: { trades: Trade[] }) {
  const price = writer(trades.map((trade) => trade.entryPrice));
  const percent = writer(trades.map((trade) => trade.returned));
  return (
    <div class="scroll values" tabIndex={0} role="region" aria-label="Trades of the fold">
      <table>
        <thead>
          <tr><th>Entry (UTC)</th><th>Exit (UTC)</th><th>Side</th><th class="number">Entry price</th><th class="number">Exit price</th><th class="number">Return, %</th></tr>
        </thead>
        <tbody>
          {trades.map((trade, i) => (
            <tr key={i}>
              <th scope="row">{minute(trade.entry)}</th><td>{minute(trade.exit)}</td><td>{write(trade.side)}</td>
              <td class="number">{price(trade.entryPrice)}</td><td class="number">{price(trade.exitPrice)}</td>
              <td class={`number ${(trade.returned ?? 0) < 0 ? "loss-text" : "gain-text"}`}>{percent(trade.returned)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
