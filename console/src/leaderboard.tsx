// The runs of a search, ranked, with the evidence that is left after so many trials.
import { useGet, type Schemas } from "./api";
import { because, label, write, writer } from "./format";
import { link, route } from "./route";
import { Figure, Notice } from "./ui";

type Board = Schemas["Leaderboard"];
type Row = Board["rows"][number];

const meanings: Record<string, string> = {
  p_value: "How often the best of as many trials without skill does as well; below 0.05 it is evidence of skill",
  dsr: "Deflated Sharpe ratio: how likely the true Sharpe ratio is above the best one by luck alone",
  min_trl: "The periods that would show a Sharpe ratio above 0, if this were the only trial",
};
const figures = ["sharpe", "sharpe_per_year", "p_value", "dsr", "min_trl", "max_drawdown"];

export function Leaderboard() {
  const query = route.value.query;
  const [dataset, target, search] = [query.get("dataset"), query.get("target"), query.get("search_id")];
  const asked = search !== null || (dataset !== null && target !== null);
  const board = useGet(asked ? "/api/leaderboard" : null, { query: search !== null ? { search_id: search } : { dataset: dataset ?? undefined, target: target ?? undefined } });
  if (!asked) return <Families />;
  const of = board.data;
  if (!of || board.error) return <main><Notice of={board} /></main>;
  const columns = figures.filter((name) => of.rows.some((row) => row.figures[name]));
  return (
    <main>
      <p class="crumbs"><a href={link(["leaderboard"])}>Leaderboard</a></p>
      <div class="heading"><h1>{search ?? `${dataset}, ${target}`}</h1><span class="quiet">ranked by {label(of.metric)}, from {of.periods} {of.period ?? "period"}s</span></div>
      <dl class="figures">
        <Figure name="trials ever recorded" title="Configurations, each once; deleted and failed ones count">{write(of.trials.recorded)}</Figure>
        <Figure name="with returns here">{write(of.trials.with_returns)}</Figure>
        <Figure name="effective trials">{of.trials.effective.value === null ? because(of.trials.effective.why) : write(of.trials.effective.value)}</Figure>
        <Figure name="best Sharpe by luck alone">{of.expected_max_sharpe.value === null ? because(of.expected_max_sharpe.why) : write(of.expected_max_sharpe.value)}</Figure>
        <Figure name="probability of overfitting" title="PBO">{of.overfit.pbo.value === null ? because(of.overfit.pbo.why) : write(of.overfit.pbo.value)}</Figure>
      </dl>
      {of.rows.length > 0 && <Verdict of={of} />}
      {of.warnings.map((text) => <p class="notice" key={text}>{text}</p>)}
      {of.rows.length === 0 && <p class="notice quiet">No run of it has returns to rank.</p>}
      {of.rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="Runs, ranked">
          <table class="records">
            <thead><tr><th class="number">Rank</th><th>Run</th><th>Basis</th>{columns.map((name) => <th key={name} class="number" title={meanings[name] ?? name}>{label(name)}</th>)}</tr></thead>
            <tbody>
              {of.rows.map((row) => (
                <tr key={row.run_id} tabIndex={-1} data-row={row.run_id}>
                  <td class="number">{row.rank}</td>
                  <th scope="row" class="name"><a href={link(["runs", row.run_id])}>{row.name ?? row.run_id.slice(0, 8)}</a></th>
                  <td class="quiet">{row.basis}</td>
                  {columns.map((name) => {
                    const figure = row.figures[name];
                    const text = writer(of.rows.map((other) => other.figures[name]?.value));
                    return <td key={name} class="number">{figure?.value != null ? text(figure.value) : <span class="quiet">{because(figure?.why)}</span>}</td>;
                  })}
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
      {of.incomparable.length > 0 && (
        <section>
          <h2>Not comparable</h2>
          <ul class="card">{of.incomparable.map((run) => <li key={run.run_id}><a href={link(["runs", run.run_id])}>{run.name ?? run.run_id.slice(0, 8)}</a> <span class="quiet">{run.reasons.join("; ")}</span></li>)}</ul>
        </section>
      )}
      {of.without_returns.length > 0 && <p class="notice quiet">{of.without_returns.length} runs have no returns; they count as trials.</p>}
    </main>
  );
}

/** Which runs have shown skill, and why the first has not, if it has not. */
function Verdict({ of }: { of: Board }) {
  const chance = (row: Row) => row.figures.p_value?.value ?? 1;
  const name = (row: Row) => <a href={link(["runs", row.run_id])}>{row.name ?? row.run_id.slice(0, 8)}</a>;
  const first = of.rows[0]!;
  const shown = of.rows.filter((row) => chance(row) < 0.05);
  const luck = first.figures.p_value?.value ?? null;
  const follow = Math.min(Math.max(first.figures.autocorrelation?.value ?? 0, 0), 0.99);
  return (
    <div class="notice">
      <p>
        <b>{shown.length === 0 ? "No run has shown skill" : `${shown.length} of ${of.rows.length} runs ${shown.length === 1 ? "has" : "have"} shown skill: `}</b>
        {shown.slice(0, 5).map((row, i) => <span key={row.run_id}>{i > 0 && ", "}{name(row)}</span>)}
        {shown.length > 5 && " and others"}. Luck alone would do as well in fewer than one of 20 searches like this (p value below 0.05).
      </p>
      {luck !== null && luck >= 0.05 && (
        <p>
          {name(first)} has the highest {of.metric === "sharpe" ? "Sharpe ratio" : label(of.metric)}, which is no evidence:{" "}
          {of.trials.recorded === 1 ? "a trial" : `the best of ${of.trials.recorded} trials`} without skill does as well in {Math.round(100 * luck)} % of searches.
          {follow > 0.2 && ` Its returns follow on each other (autocorrelation ${write(follow)}): ${of.periods} ${of.period}s are evidence of about ${Math.round((of.periods * (1 - follow)) / (1 + follow))}.`}
        </p>
      )}
    </div>
  );
}

/** What there is to rank: the searches, datasets and targets of the newest runs. */
function Families() {
  const runs = useGet("/api/runs", { query: { limit: 1000, fields: ["search_id", "dataset_slug", "target_column"] as never } });
  if (!runs.data || runs.error) return <main><Notice of={runs} /></main>;
  const families = new Map<string, { name: string; query: Record<string, string>; count: number }>();
  for (const run of runs.data.runs) {
    const found: [string, Record<string, string>][] = [];
    if (run.search_id) found.push([`search ${run.search_id}`, { search_id: run.search_id }]);
    if (run.dataset_slug && run.target_column) found.push([`${run.dataset_slug}, ${run.target_column}`, { dataset: run.dataset_slug, target: run.target_column }]);
    for (const [name, query] of found) families.set(name, { name, query, count: (families.get(name)?.count ?? 0) + 1 });
  }
  return (
    <main>
      <div class="heading"><h1>Leaderboard</h1><span class="quiet">of a search, or of a dataset and its target</span></div>
      {families.size === 0 && <p class="notice quiet">There is no run to rank.</p>}
      {families.size > 0 && (
        <ul class="card">
          {[...families.values()].map((one) => <li key={one.name}><a href={link(["leaderboard"], one.query)}>{one.name}</a> <span class="quiet">{one.count} {one.count === 1 ? "run" : "runs"}</span></li>)}
        </ul>
      )}
    </main>
  );
}
