// The folds of a run as a table whose cells are coloured by their value: it is read by eye, by keyboard and by a screen reader alike.
import { useEffect, useRef } from "preact/hooks";
import type { Schemas } from "./api";
import { Columns } from "./filters";
import { foldColumns, neutral } from "./folds";
import { day, label, writer } from "./format";
import { changed, route } from "./route";

type Fold = Schemas["WalkforwardFold"];

export function Folds({ folds }: { folds: readonly Fold[] }) {
  const query = route.value.query;
  const { columns, all } = foldColumns(folds, query.get("cols"));
  const open = query.get("fold");
  const box = useRef<HTMLDivElement>(null);
  useEffect(() => { // a link to a fold leads to its row
    const row = box.current?.querySelector<HTMLElement>(".picked");
    if (row) box.current!.scrollTop = row.offsetTop - box.current!.clientHeight / 2;
  }, []);
  if (folds.length === 0)
    return <section><h2>Folds</h2><p class="notice quiet">No fold is stored yet. They appear here as the run adds them.</p></section>;
  const heads = columns.map((name) => {
    const values = folds.map((fold) => number(fold, name));
    return { name, values, write: writer(values), shade: shader(name, values) };
  });
  return (
    <section>
      <div class="heading">
        <h2>Folds</h2>
        <span class="quiet">{folds.length.toLocaleString("en")}</span>
        <span class="end"><Columns paths={all} columns={columns} /></span>
      </div>
      <div ref={box} class="scroll heat" tabIndex={0} role="region" aria-label="Folds, with their metrics">
        <table>
          <thead>
            <tr>
              <th class="number">Fold</th><th>Test window</th><th class="number">Rows</th>
              {heads.map(({ name }) => <th key={name} class="number" title={name}>{label(name)}</th>)}
            </tr>
          </thead>
          <tbody>
            {folds.map((fold, i) => (
              <tr key={fold.fold_number} tabIndex={-1} data-row={fold.fold_number} class={String(fold.fold_number) === open ? "picked" : ""}>
                <th scope="row" class="number">
                  <a href={changed({ fold: String(fold.fold_number) === open ? null : fold.fold_number })}>{fold.fold_number}</a>
                </th>
                <td class="quiet">{fold.test_start_ts_ms == null ? "unknown" : `${day(fold.test_start_ts_ms)} – ${day(fold.test_end_ts_ms)}`}</td>
                <td class="number quiet">{fold.samples_test?.toLocaleString("en") ?? "–"}</td>
                {heads.map(({ name, values, write, shade }) => (
                  <td key={name} class={`number ${shade(values[i])}`}>{write(values[i])}</td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </section>
  );
}

function number(fold: Fold, name: string): number | null {
  const value = fold.metrics?.[name];
  return typeof value === "number" ? value : null;
}

/** The class of a cell: how far above or below the neutral value, in four steps each. Counts are not coloured. */
export function shader(name: string, values: readonly (number | null)[]): (value: number | null | undefined) => string {
  const there = values.filter((value) => value !== null).sort((a, b) => a - b);
  const middle = neutral(name);
  if (middle === null || there.length === 0) return () => "";
  const distances = there.map((value) => Math.abs(value - middle)).sort((a, b) => a - b);
  const far = distances[Math.floor((distances.length - 1) * 0.95)] || distances.at(-1) || 1; // one fold far out does not bleach the others
  return (value) => {
    if (value === null || value === undefined || value === middle) return "";
    const step = Math.min(4, Math.max(1, Math.ceil((Math.abs(value - middle) / far) * 4)));
    return `${value > middle ? "above" : "below"}${step}`;
  };
}
