// A chart of lines over time, by uPlot: with the values at the cursor, a cursor for the keyboard, and the same as a table.
import type { ComponentChildren } from "preact";
import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import uPlot from "uplot";
import { minute, writer } from "./format";

export interface Line {
  name: string;
  values: (number | null)[];
  /** A custom property of the style sheet, such as --gain; empty: what draws draws it. */
  color: string;
  fill?: boolean;
  dash?: number[];
  step?: boolean;
}

interface Props {
  title: string;
  x: number[]; // milliseconds
  lines: Line[];
  height?: number;
  /** Draws what is no line, after the lines. */
  draw?: (plot: uPlot, color: (name: string) => string) => void;
  /** Charts of one name move their cursors together. */
  sync?: string;
  /** Is told the range that is dragged over, in place of zooming into what is there. */
  onZoom?: (from: number, to: number) => void;
  children?: ComponentChildren;
}

const dark = matchMedia("(prefers-color-scheme: dark)");
const isDark = signal(dark.matches);
dark.addEventListener("change", () => (isDark.value = dark.matches));

export const colorOf = (name: string): string => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

export function Chart({ title, x, lines, height = 220, draw, sync, onZoom, children }: Props) {
  const box = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const [at, setAt] = useState<number | null>(null);
  const [said, setSaid] = useState("");
  const [table, setTable] = useState(false);
  const writers = useMemo(() => lines.map((line) => writer(line.values)), [lines]);
  const reading = (i: number) => `${minute(x[i])}  ${lines.map((line, j) => `${line.name} ${writers[j]!(line.values[i])}`).join("  ")}`;

  useEffect(() => {
    if (table || !box.current) return;
    const made = new uPlot(options(box.current.clientWidth, height, lines, { draw, sync, onZoom, setAt }),
      [x, ...lines.map((line) => line.values)], box.current);
    plot.current = made;
    const watch = new ResizeObserver(() => box.current && made.setSize({ width: box.current.clientWidth, height }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      made.destroy();
    };
  }, [x, lines, height, table, isDark.value]);

  const onKeyDown = (event: KeyboardEvent) => {
    const now = at ?? -1;
    const page = Math.max(1, Math.round(x.length / 20));
    const to = { ArrowRight: now + 1, ArrowLeft: now - 1, PageDown: now + page, PageUp: now - page, Home: 0, End: x.length - 1 }[event.key];
    if (to === undefined || !plot.current) return;
    event.preventDefault();
    const i = Math.min(Math.max(to, 0), x.length - 1);
    plot.current.setCursor({ left: plot.current.valToPos(x[i]!, "x"), top: plot.current.over.clientHeight / 2 });
    setAt(i);
    setSaid(reading(i));
  };

  return (
    <figure class="chart">
      <figcaption>
        <h3>{title}</h3>
        {lines.length > 1 && lines.some((line) => line.color) && (
          <ul class="legend">{lines.map((line) => line.color && <li key={line.name} class={line.color.slice(2)}>{line.name}</li>)}</ul>
        )}
        {children}
        <span class="reading" aria-hidden="true">{!table && at !== null && at < x.length ? reading(at) : ""}</span>
        <button class="small" aria-pressed={table} onClick={() => setTable(!table)}>Table</button>
      </figcaption>
      {table ? (
        <Values x={x} lines={lines} title={title} />
      ) : (
        <div ref={box} class="plot" tabIndex={0} role="group" onKeyDown={onKeyDown}
          aria-label={`${title}, a chart of ${x.length} points. The arrow keys read them; the button before it shows a table.`} />
      )}
      <span class="unseen" aria-live="polite">{said}</span>
    </figure>
  );
}

function options(width: number, height: number, lines: Line[],
  { draw, sync, onZoom, setAt }: Pick<Props, "draw" | "sync" | "onZoom"> & { setAt: (i: number | null) => void }): uPlot.Options {
  const axis: uPlot.Axis = {
    stroke: colorOf("--quiet"), font: "11px system-ui, sans-serif",
    grid: { stroke: colorOf("--line"), width: 1 }, ticks: { stroke: colorOf("--line"), width: 1, size: 4 },
  };
  return {
    width, height, ms: 1, legend: { show: false }, padding: [8, 12, 0, 0],
    tzDate: (ms) => uPlot.tzDate(new Date(ms), "Etc/UTC"),
    cursor: { drag: { x: true, y: false, setScale: !onZoom }, ...(sync ? { sync: { key: sync } } : {}), points: { size: 6 } },
    axes: [axis, { ...axis, size: 62, values: (_, ticks) => ticks.map(writer(ticks)) }],
    series: [{}, ...lines.map((line): uPlot.Series => ({
      label: line.name, spanGaps: true, width: 1.5, points: { show: false }, stroke: line.color ? colorOf(line.color) : "transparent",
      ...(line.color ? {} : { paths: () => null }),
      ...(line.step ? { paths: uPlot.paths.stepped!({ align: 1 }) } : {}),
      ...(line.dash ? { dash: line.dash } : {}),
      ...(line.fill ? { fill: colorOf(line.color) + "33", fillTo: 0 } : {}),
    }))],
    hooks: {
      setCursor: [(plot) => setAt(plot.cursor.idx ?? null)],
      draw: draw ? [(plot) => draw(plot, colorOf)] : [],
      setSelect: onZoom ? [(plot) => {
        if (plot.select.width < 4) return;
        onZoom(plot.posToVal(plot.select.left, "x"), plot.posToVal(plot.select.left + plot.select.width, "x"));
        plot.setSelect({ left: 0, top: 0, width: 0, height: 0 }, false);
      }] : [],
    },
  };
}

const most = 500;

function Values({ x, lines, title }: { x: number[]; lines: Line[]; title: string }) {
  const writers = lines.map((line) => writer(line.values));
  return (
    <div class="scroll values" tabIndex={0} role="region" aria-label={`${title}, as a table`}>
      <table>
        <thead><tr><th>Time (UTC)</th>{lines.map((line) => <th key={line.name} class="number">{line.name}</th>)}</tr></thead>
        <tbody>
          {x.slice(0, most).map((time, i) => (
            <tr key={i}><th scope="row">{minute(time)}</th>{lines.map((line, j) => <td key={j} class="number">{writers[j]!(line.values[i])}</td>)}</tr>
          ))}
        </tbody>
      </table>
      {x.length > most && <p class="notice quiet">The first {most} of {x.length.toLocaleString("en")} points.</p>}
    </div>
  );
}
