// What the folds of a run say, by the names that their metrics have.
import type { Schemas } from "./api";

type Fold = Pick<Schemas["WalkforwardFold"], "metrics">;
const single = ["return_pct", "test_return_pct", "total_return_pct", "fold_return", "pnl", "signal_sum", "score"];

/** The return of each fold, and what it is; null where the folds have none. Long and short add up where both are there. */
export function foldReturns(folds: readonly Fold[]): { name: string; values: number[] } | null {
  const has = (name: string) => folds.some((fold) => typeof fold.metrics?.[name] === "number");
  const number = (fold: Fold, name: string) => (typeof fold.metrics?.[name] === "number" ? (fold.metrics[name] as number) : 0);
  if (has("signal_sum") && has("short_signal_sum"))
    return { name: "signal_sum + short_signal_sum", values: folds.map((f) => number(f, "signal_sum") + number(f, "short_signal_sum")) };
  const name = single.find(has);
  return name ? { name, values: folds.map((fold) => number(fold, name)) } : null;
}

/** The value of a metric that is neither good nor bad, around which colours are chosen; null: the middle of what there is. */
export function neutral(name: string): number | null {
  if (/profit_factor|^pf_/.test(name)) return 1;
  if (/hit_rate|win_rate/.test(name)) return 0.5;
  if (/sum$|return|pnl|sharpe|running/.test(name)) return 0;
  return null;
}

/** The columns of the fold table until others are chosen. */
const usual = ["profit_factor_dual", "profit_factor_test", "profit_factor_short_test", "hit_rate", "short_hit_rate", "signal_sum",
  "short_signal_sum", "running_sum_dual", "running_sum", "n_signals", "n_short_signals"];

export function foldColumns(folds: readonly Fold[], cols: string | null): { columns: string[]; all: string[] } {
  const all = [...new Set(folds.flatMap((fold) => Object.keys(fold.metrics ?? {}).filter((key) => typeof fold.metrics?.[key] === "number")))].sort();
  if (cols !== null) return { columns: cols.split(",").filter(Boolean), all };
  const known = usual.filter((name) => all.includes(name));
  return { columns: (known.length > 0 ? known : all).slice(0, 9), all };
}
