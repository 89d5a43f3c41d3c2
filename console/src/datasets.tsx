// The datasets, and one of them: its bars and its columns, reduced by the service to what a screen can show.
import { useMemo } from "preact/hooks";
import { useColumns, useGet } from "./api";
import { candleLines, drawCandles, interval, times } from "./candles";
import { Chart, type Line } from "./chart";
import { ago, day, lasted, minute, write } from "./format";
import { change, changed, link, route } from "./route";
import { Figure, Members, Notice } from "./ui";

export function Datasets() {
  const search = route.value.query.get("search") ?? "";
  const offset = Number(route.value.query.get("offset") ?? 0);
  const list = useGet("/api/datasets", { query: { search: search || undefined, limit: 100, offset } });
  const datasets = list.data?.datasets ?? [];
  const total = list.data?.total ?? 0;
  return (
    <main>
      <div class="heading"><h1>Datasets</h1>{list.data && <span class="quiet">{total.toLocaleString("en")}</span>}</div>
      <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
        <label class="wide">
          <span>Search</span>
          <input id="search" type="search" key={search} defaultValue={search} placeholder="slug, symbol, source…" autoComplete="off"
            onChange={(event) => change({ search: event.currentTarget.value.trim(), offset: null })} />
        </label>
      </form>
      {(list.error || !list.data) && <Notice of={list} />}
      {list.data && datasets.length === 0 && (
        <div class="notice empty"><p>{search ? "No dataset matches." : <>There is no dataset yet. <code>POST /api/datasets</code> stores one; <a href="docs">the reference</a> says how.</>}</p></div>
      )}
      {datasets.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Datasets">
          <table class="records">
            <thead>
              <tr>
                <th class="name">Dataset</th><th>Symbol</th><th>Bars of</th><th>Source</th><th class="number">Bars</th><th class="number">Indicator rows</th>
                <th>Span</th><th class="number">Runs</th><th class="number">Simulations</th><th class="number">Changed</th>
              </tr>
            </thead>
            <tbody>
              {datasets.map((one) => (
                <tr key={one.dataset_id} tabIndex={-1} data-row={one.dataset_id}>
                  <th scope="row" class="name"><a href={link(["datasets", one.dataset_slug ?? one.dataset_id])}>{one.dataset_slug ?? one.dataset_id}</a></th>
                  <td>{one.symbol}</td><td>{one.granularity}</td><td>{one.source}</td>
                  <td class="number">{write(one.ohlcv_row_count)}</td><td class="number">{write(one.indicator_row_count)}</td>
                  <td class="quiet">{day(one.ohlcv_first_ts)} – {day(one.ohlcv_last_ts)}</td>
                  <td class="number">{one.run_count > 0 ? <a href={link(["runs"], { dataset: one.dataset_slug })}>{write(one.run_count)}</a> : 0}</td>
                  <td class="number">{write(one.simulation_count)}</td><td class="number quiet" title={minute(one.updated_at)}>{ago(one.updated_at)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {total > 100 && (
        <nav class="pages" aria-label="Pages">
          {offset > 0 ? <a href={changed({ offset: Math.max(0, offset - 100) || null })}>← Before</a> : <span />}
          <span class="quiet">{offset + 1}–{Math.min(offset + 100, total)} of {total.toLocaleString("en")}</span>
          {offset + 100 < total ? <a href={changed({ offset: offset + 100 })}>Next →</a> : <span />}
        </nav>
      )}
    </main>
  );
}

export function DatasetPage({ id }: { id: string }) {
  const dataset = useGet("/api/datasets/{dataset_id}", { path: { dataset_id: id } });
  const of = dataset.data;
  const query = route.value.query;
  if (!of || dataset.error) return <main><Notice of={dataset} /></main>;
  const from = Number(query.get("from") ?? of.ohlcv_first_ts ?? 0);
  const to = Number(query.get("to") ?? of.ohlcv_last_ts ?? 0);
  const zoomed = query.has("from");
  return (
    <main>
      <p class="crumbs"><a href={link(["datasets"])}>Datasets</a></p>
      <div class="heading">
        <h1>{of.dataset_slug ?? of.dataset_id}</h1>
        <span class="quiet">{of.symbol} · bars of {of.granularity} · {of.source}</span>
        <span class="end"><a href={link(["runs"], { dataset: of.dataset_slug ?? of.dataset_id })}>{write(of.run_count)} runs</a></span>
      </div>
      <dl class="figures">
        <Figure name="bars">{write(of.ohlcv_row_count)}</Figure>
        <Figure name="indicator rows">{write(of.indicator_row_count)}</Figure>
        <Figure name="first bar">{day(of.ohlcv_first_ts)}</Figure>
        <Figure name="last bar">{day(of.ohlcv_last_ts)}</Figure>
        <Figure name="bar length">{lasted(of.bar_interval_ms)}</Figure>
        <Figure name="rows to look back">{write(of.lookback_rows)}</Figure>
      </dl>
      <section>
        <div class="heading">
          <h2>Bars</h2>
          <span class="quiet">{zoomed ? `${minute(from)} – ${minute(to)}` : "drag over a range to see it closer"}</span>
          {zoomed && <span class="end"><a href={changed({ from: null, to: null })}>The whole</a></span>}
        </div>
        {to > from ? <Bars id={id} from={from} to={to} bar={of.bar_interval_ms} /> : <p class="notice quiet">No bars are stored.</p>}
      </section>
      <Column id={id} from={from} to={to} />
      <section><h2>Metadata</h2><div class="card"><Members of={of.metadata} /></div></section>
    </main>
  );
}

const zoom = (from: number, to: number) => change({ from: Math.round(from), to: Math.round(to) });

function Bars({ id, from, to, bar }: { id: string; from: number; to: number; bar: number | null }) {
  const length = interval(from, to, bar);
  const bars = useColumns("/api/datasets/{dataset_id}/ohlcv", {
    path: { dataset_id: id }, query: { start_ts: String(from), end_ts: String(to), ...(length ? { interval: length, partial: true } : {}) },
  });
  const candles = useMemo(() => bars.data && { x: times(bars.data), lines: candleLines(bars.data) }, [bars.data]);
  if (bars.error || !candles) return <Notice of={bars} />;
  if (candles.x.length === 0) return <p class="notice quiet">There are no bars in this range.</p>;
  return <div class="card"><Chart title={length ? `Candles of ${length}` : "Bars"} x={candles.x} lines={candles.lines} height={300} draw={drawCandles} sync="dataset" onZoom={zoom} /></div>;
}

/** One column of the indicators: its course and how its values are spread. */
function Column({ id, from, to }: { id: string; from: number; to: number }) {
  const features = useGet("/api/datasets/{dataset_id}/features", { path: { dataset_id: id } });
  const targets = useGet("/api/datasets/{dataset_id}/targets", { path: { dataset_id: id } });
  const names = [...(features.data?.features ?? []), ...(targets.data?.targets ?? [])].map((one) => one.name);
  const column = route.value.query.get("column") ?? names[0];
  if (features.error && features.error.code !== "measurement_not_found") return <section><h2>Indicators</h2><Notice of={features} /></section>;
  if (!column) return features.data || features.error ? <section><h2>Indicators</h2><p class="notice quiet">No indicators are stored.</p></section> : null;
  return (
    <section>
      <div class="heading">
        <h2>Indicators</h2>
        <label class="inline">
          column{" "}
          <select value={column} onChange={(event) => change({ column: event.currentTarget.value }, { replace: true })}>
            {names.map((name) => <option key={name}>{name}</option>)}
          </select>
        </label>
      </div>
      <div class="cards uneven">
        <Course id={id} column={column} from={from} to={to} />
        <Histogram id={id} column={column} from={from} to={to} />
      </div>
    </section>
  );
}

function Course({ id, column, from, to }: { id: string; column: string; from: number; to: number }) {
  const series = useColumns("/api/datasets/{dataset_id}/series", {
    path: { dataset_id: id }, query: { columns: column, start_ts: String(from), end_ts: String(to), points: 1600 },
  });
  const lines = useMemo((): Line[] => [{ name: column, values: (series.data?.rows[column] ?? []) as (number | null)[], color: "--accent" }], [series.data]);
  if (series.error || !series.data) return <Notice of={series} />;
  return (
    <div class="card">
      <Chart title={column} x={times(series.data)} lines={lines} sync="dataset" onZoom={zoom}>
        {series.data.total > series.data.count && <span class="quiet">{write(series.data.count)} of {write(series.data.total)} rows</span>}
      </Chart>
    </div>
  );
}

function Histogram({ id, column, from, to }: { id: string; column: string; from: number; to: number }) {
  const histogram = useGet("/api/datasets/{dataset_id}/histogram", {
    path: { dataset_id: id }, query: { column, bins: 40, start_ts: String(from), end_ts: String(to) },
  });
  const of = histogram.data;
  if (!of || histogram.error) return <Notice of={histogram} />;
  const bins = of.bins ?? [];
  const largest = Math.max(...bins.map((bin) => bin.count), 1);
  const said = `Distribution of ${column}: ${write(of.count)} values from ${write(of.min)} to ${write(of.max)}, mean ${write(of.mean)}`;
  return (
    <div class="card">
      <h3>Distribution</h3>
      <svg class="histogram" viewBox={`0 0 ${Math.max(bins.length, 1) * 10} 120`} preserveAspectRatio="none" role="img" aria-label={said}>
        {bins.map((bin, i) => (
          <rect key={i} x={i * 10 + 0.5} width="9" y={120 - (bin.count / largest) * 118} height={(bin.count / largest) * 118}>
            <title>{`${write(bin.lo)} to ${write(bin.hi)}: ${write(bin.count)}`}</title>
          </rect>
        ))}
      </svg>
      <p class="range quiet"><span>{write(of.min)}</span><span>{write(of.max)}</span></p>
      <Members of={{ values: of.count, missing: of.nulls, mean: of.mean, "standard deviation": of.stddev }} />
    </div>
  );
}
