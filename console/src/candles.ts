// Bars as candles, with the trades between them.
import uPlot from "uplot";
import type { Columns } from "./api";
import type { Line } from "./chart";

export interface Trade {
  entry: number; // milliseconds
  exit: number | null;
  side: string;
  entryPrice: number | null;
  exitPrice: number | null;
  returned: number | null;
}

const lengths: [string, number][] = [["1m", 1], ["5m", 5], ["15m", 15], ["30m", 30], ["1h", 60], ["2h", 120], ["4h", 240], ["8h", 480], ["12h", 720],
  ["1d", 1440], ["2d", 2880], ["1w", 10_080], ["1M", 43_200], ["3M", 131_400]];

/** The length of candles by which a range has at most so many of them; undefined: the bars as they are. */
export function interval(from: number, to: number, bar: number | null, most = 450): string | undefined {
  const wanted = (to - from) / most;
  if (bar && bar >= wanted) return undefined;
  return (lengths.find(([, minutes]) => minutes * 60_000 >= wanted) ?? lengths.at(-1)!)[0];
}

const numbers = (of: Columns, name: string) => (of.rows[name] ?? []) as (number | null)[];
export const times = (of: Columns): number[] => of.rows.timestamp_ms as number[];

/** The four prices, which drawCandles draws. */
export function candleLines(of: Columns): Line[] {
  return ["open", "high", "low", "close"].map((name) => ({ name, values: numbers(of, name), color: "" }));
}

export function drawCandles(plot: uPlot, color: (name: string) => string, trades: readonly Trade[] = []): void {
  const [x, open, high, low, close] = plot.data as unknown as [number[], ...(number | null)[][]];
  const { ctx } = plot;
  const place = (value: number, scale: "x" | "y") => plot.valToPos(value, scale, true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(plot.bbox.left, plot.bbox.top, plot.bbox.width, plot.bbox.height);
  ctx.clip();
  const [from, to] = [plot.scales.x!.min ?? x[0]!, plot.scales.x!.max ?? x.at(-1)!];
  const shown = x.filter((time) => time >= from && time <= to).length;
  const width = Math.max(1, Math.min(14, (plot.bbox.width / Math.max(shown, 1)) * 0.65));
  for (let i = 0; i < x.length; i++) {
    if (open?.[i] == null || close?.[i] == null || high?.[i] == null || low?.[i] == null) continue;
    const middle = Math.round(place(x[i]!, "x"));
    const [top, bottom] = [place(Math.max(open[i]!, close[i]!), "y"), place(Math.min(open[i]!, close[i]!), "y")];
    ctx.fillStyle = color(close[i]! >= open[i]! ? "--gain" : "--loss");
    ctx.fillRect(middle - 0.5, place(high[i]!, "y"), 1, place(low[i]!, "y") - place(high[i]!, "y"));
    ctx.fillRect(middle - width / 2, top, width, Math.max(1, bottom - top));
  }
  for (const trade of trades) drawTrade(trade);
  ctx.restore();

  function drawTrade(trade: Trade) {
    if (trade.entryPrice === null) return;
    const [left, height] = [place(trade.entry, "x"), place(trade.entryPrice, "y")];
    const size = trades.length > 30 ? 4 : 6;
    const up = trade.side.toLowerCase() !== "short";
    ctx.strokeStyle = ctx.fillStyle = color("--second");
    ctx.lineWidth = 1.5;
    if (trade.exit !== null && trade.exitPrice !== null) {
      ctx.beginPath();
      ctx.moveTo(left, height);
      ctx.lineTo(place(trade.exit, "x"), place(trade.exitPrice, "y"));
      ctx.stroke();
    }
    ctx.beginPath(); // a triangle that points where the trade hopes to go
    ctx.moveTo(left, height + (up ? -size : size));
    ctx.lineTo(left - size * 0.8, height + (up ? size : -size) * 0.7);
    ctx.lineTo(left + size * 0.8, height + (up ? size : -size) * 0.7);
    ctx.fill();
  }
}
