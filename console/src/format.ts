// How numbers, times and names are written.

/** A writer of the numbers of one column: all with the same decimals, as many as its size asks for. */
export function writer(values: readonly unknown[]): (value: unknown) => string {
  let largest = 0;
  let whole = true;
  for (const value of values) {
    if (typeof value !== "number" || !Number.isFinite(value)) continue;
    largest = Math.max(largest, Math.abs(value));
    whole &&= Number.isInteger(value);
  }
  const decimals = whole || largest >= 10_000 ? 0 : largest >= 1000 ? 1 : largest >= 10 ? 2 : largest >= 0.1 ? 3 : largest >= 0.01 ? 4 : 5;
  const format = new Intl.NumberFormat("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
  return (value) => (typeof value === "number" ? minus(format.format(value)) : write(value));
}

/** A single value of whatever kind. */
export function write(value: unknown): string {
  if (value === null || value === undefined) return "–";
  if (typeof value === "number") return writer([value])(value);
  if (typeof value === "object") return JSON.stringify(value);
  return String(value);
}

function minus(text: string): string {
  return /^-[0.,]*$/.test(text) ? text.slice(1) : text.replace("-", "−");
}

/** A member of a JSON column: whole numbers by a name that says so are times. */
export function member(name: string, value: unknown): string {
  if (typeof value === "number" && value > 1e11 && value < 1e14 && /_(ms|ts)$/.test(name)) return `${minute(value)} UTC`;
  return write(value);
}

/** A time in UTC: its day, or the minute where that says more. */
export function day(time: string | number | null | undefined): string {
  return time === null || time === undefined ? "–" : new Date(time).toISOString().slice(0, 10);
}

export function minute(time: string | number | null | undefined): string {
  return time === null || time === undefined ? "–" : new Date(time).toISOString().slice(0, 16).replace("T", " ");
}

export function ago(time: string | null | undefined, now = Date.now()): string {
  if (!time) return "–";
  const seconds = Math.max(0, (now - Date.parse(time)) / 1000);
  const [size, unit] = seconds < 60 ? [1, "s"] : seconds < 3600 ? [60, "min"] : seconds < 86_400 ? [3600, "h"] : [86_400, "d"];
  return seconds < 5 ? "now" : seconds < 86_400 * 60 ? `${Math.floor(seconds / (size as number))} ${unit} ago` : day(time);
}

export function lasted(ms: number | null | undefined): string {
  if (ms === null || ms === undefined) return "–";
  const seconds = ms / 1000;
  if (seconds < 60) return `${seconds < 10 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  const minutes = Math.round((seconds % 3600) / 60);
  return `${Math.floor(seconds / 3600)} h${minutes ? ` ${minutes} min` : ""}`;
}

/** The value at summary_metrics.long.pf of a record. */
export function valueAt(record: unknown, path: string): unknown {
  let value = record;
  for (const key of path.split(".")) value = (value as Record<string, unknown> | null | undefined)?.[key];
  return value;
}

/** The paths of the numbers and texts within a JSON column. */
export function leaves(value: unknown, path: string, into: Set<string> = new Set()): Set<string> {
  if (value && typeof value === "object" && !Array.isArray(value)) {
    for (const [key, inner] of Object.entries(value)) if (!key.includes(".")) leaves(inner, `${path}.${key}`, into);
  } else if (typeof value === "number" || typeof value === "string" || typeof value === "boolean") into.add(path);
  return into;
}

/** The last part of a path, which heads a column. */
export const short = (path: string): string => path.split(".").slice(1).join(".") || path;

/** A key of JSON as a label: profit_factor_test is "profit factor test". */
export const label = (key: string): string => key.replaceAll("_", " ");

/** Those reasons of docs/statistics.md that need other words than their names: no_trades is "no trades". */
const reasons: Record<string, string> = {
  not_positive: "mean not above 0",
  too_few_trials: "fewer than 10 trials",
  bars_incomplete: "bars do not reach from the first entry to the last exit",
  questdb_unavailable: "QuestDB, which has the bars, is away",
};

/** Why there is no figure. */
export const because = (why: string | null | undefined): string => (why ? (reasons[why] ?? label(why)) : "–");
