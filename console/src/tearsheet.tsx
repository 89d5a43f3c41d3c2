// The tear sheet of a simulation: what its returns show, by the names of docs/statistics.md, and where a figure is missing, why.
import { useMemo } from "preact/hooks";
import { type Answer, type Schemas, useGet } from "./api";
import { Chart } from "./chart";
import { shader } from "./foldtable";
import { because, label, write, writer } from "./format";
import { Notice } from "./ui";

type Sheet = Answer<"/api/simulations/{simulation_id}/tearsheet">;

const returns = ["total_return", "cagr", "buy_and_hold", "mean_per_day", "sd_per_day", "best_day", "worst_day", "exposure", "turnover_per_day"];
const risk = ["max_drawdown", "ulcer", "calmar", "sharpe_per_day", "sharpe_per_year", "sortino_per_day", "sortino_per_year"];
/** Shares of one, which are written in percent. */
const shares = new Set(["total_return", "cagr", "buy_and_hold", "mean_per_day", "sd_per_day", "best_day", "worst_day", "exposure", "max_drawdown", "ulcer",
  "hit_rate", "hit_rate_low", "hit_rate_high", "expectancy", "profitable_share", "worst_fold", "profit_share_of_best_fold"]);
const bases: Record<string, string> = { mark: "open trades valued each day", realised: "closed trades alone", folds: "folds" };

export function Tearsheet({ simulation }: { simulation: string }) {
  const read = useGet("/api/simulations/{simulation_id}/tearsheet", { path: { simulation_id: simulation } });
  const of = read.data;
  return (
    <section aria-label="Tear sheet">
      <div class="heading">
        <h2>Tear sheet</h2>
        {of && of.periods > 0 && (
          <span class="quiet">
            {of.periods.toLocaleString("en")} days, {of.first_day} – {of.last_day}; {bases[of.basis]}{of.why && `: ${because(of.why)}`}
          </span>
        )}
      </div>
      {!of || read.error ? <Notice of={read} /> : of.periods === 0 ? <p class="notice quiet">The simulation has no returns: {because(of.why ?? "no_trades")}.</p> : <Sheet of={of} />}
    </section>
  );
}

function Sheet({ of }: { of: Sheet }) {
  const { trades, folds } = of;
  const evidence = Object.keys(of.figures).filter((name) => !returns.includes(name) && !risk.includes(name)).sort();
  const rolling = useMemo(() => ({
    x: of.rolling_sharpe.days.map((day) => Date.parse(day)), lines: [{ name: "Sharpe per day", values: of.rolling_sharpe.values, color: "--accent" }],
  }), [of]);
  return (
    <>
      <div class="cards small">
        <Figures title="Returns" of={of.figures} names={returns} />
        <Figures title="Risk" of={of.figures} names={risk} />
        <Figures title="Evidence" of={of.figures} names={evidence} />
        <Figures title="Trades" of={trades.figures} counts={{ count: trades.count, open: trades.open, won: trades.won, longest_losing_streak: trades.longest_losing_streak }} />
        <Figures title="Stability of the folds" counts={{ folds: folds.folds, longest_losing_streak: folds.longest_losing_streak }}
          of={{ profitable_share: folds.profitable_share, worst_fold: folds.worst_fold, profit_share_of_best_fold: folds.profit_share_of_best_fold }} />
      </div>
      <Months of={of.monthly} />
      {rolling.x.length > 1 && <div class="card"><Chart title={`Sharpe ratio per day, of ${of.rolling_sharpe.window} days`} x={rolling.x} lines={rolling.lines} height={150} /></div>}
      {of.drawdowns.length > 0 && <Drawdowns of={of.drawdowns} />}
    </>
  );
}

/** Figures below each other, with the name of each in docs/statistics.md. */
function Figures({ title, of, names = Object.keys(of), counts = {} }:
  { title: string; of: Schemas["Figures"]; names?: string[]; counts?: Record<string, number> }) {
  return (
    <div class="card">
      <h3>{title}</h3>
      <dl class="members">
        {Object.entries(counts).map(([name, value]) => <div key={name}><dt>{label(name)}</dt><dd>{write(value)}</dd></div>)}
        {names.map((name) => of[name] && (
          <div key={name}>
            <dt title={`${name} in docs/statistics.md`}>{label(name)}</dt>
            <dd title={of[name].value === null ? undefined : String(of[name].value)}>{figure(name, of[name])}</dd>
          </div>
        ))}
      </dl>
    </div>
  );
}

function figure(name: string, { value, why }: Schemas["Figure"]) {
  if (value === null) return <span class="quiet">{because(why)}</span>;
  return shares.has(name) ? `${write(value * 100)} %` : write(value);
}

const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

function Months({ of }: { of: Sheet["monthly"] }) {
  const found = new Map(of.map(({ month, return: value }) => [month, value * 100]));
  const years = [...new Set(of.map(({ month }) => month.slice(0, 4)))];
  const text = writer([...found.values()]);
  const shade = shader("return", [...found.values()]);
  return (
    <div class="scroll months" tabIndex={0} role="region" aria-label="Return of each month, in percent">
      <table>
        <thead><tr><th>Return, %</th>{months.map((name) => <th key={name} class="number">{name}</th>)}<th class="number">Year</th></tr></thead>
        <tbody>
          {years.map((year) => {
            const values = months.map((_, i) => found.get(`${year}-${String(i + 1).padStart(2, "0")}`));
            const whole = values.reduce((growth: number, value) => growth * (1 + (value ?? 0) / 100), 1);
            return (
              <tr key={year}>
                <th scope="row">{year}</th>
                {values.map((value, i) => <td key={i} class={`number ${shade(value)}`}>{value === undefined ? "" : text(value)}</td>)}
                <td class="number"><b>{text((whole - 1) * 100)}</b></td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}

function Drawdowns({ of }: { of: Sheet["drawdowns"] }) {
  const depth = writer(of.map((one) => one.depth * 100));
  return (
    <div class="scroll values" tabIndex={0} role="region" aria-label="The deepest drawdowns">
      <table>
        <thead><tr><th class="number">Drawdown, %</th><th>From</th><th>Deepest</th><th>To</th><th class="number">Days</th></tr></thead>
        <tbody>
          {of.map((one) => (
            <tr key={one.from}>
              <td class="number">{depth(one.depth * 100)}</td><td>{one.from}</td><td>{one.trough}</td><td>{one.finished ? one.to : "not over"}</td>
              <td class="number">{write(one.days)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
