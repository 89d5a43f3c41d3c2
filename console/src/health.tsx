// How the service and its two stores are, and what its background jobs do.
import { useGet } from "./api";
import { ago, lasted, minute, write } from "./format";
import { Badge, Figure, Notice } from "./ui";

export function Health() {
  const health = useGet("/api/health");
  const jobs = useGet("/api/jobs", { query: { limit: 20 } });
  const of = health.data;
  return (
    <main>
      <div class="heading"><h1>Health</h1>{of && <span class="quiet">as of {minute(of.timestamp)} UTC</span>}</div>
      {(health.error || !of) && <Notice of={health} />}
      {of && (
        <>
          <dl class="figures">
            <Store name="PostgreSQL" what="records" state={of.postgres} />
            <Store name="QuestDB" what="rows" state={of.questdb} />
            <Figure name="version">{of.version}</Figure>
            <Figure name="up for">{lasted(of.uptime * 1000)}</Figure>
            {of.removals && <Figure name="rows to be removed" title="Records that are deleted and whose rows in QuestDB are not yet">{write(of.removals.pending)}</Figure>}
          </dl>
          {of.questdb !== "ok" && <p class="notice">Without QuestDB there are no bars, indicators, predictions and traces; records are answered as usual. Writes of rows are refused with 503 until it is back.</p>}
        </>
      )}
      <section>
        <h2>Jobs</h2>
        {jobs.error ? <p class="notice quiet">{jobs.error.message}</p> : jobs.data?.jobs.length === 0 ? <p class="notice quiet">No import has been asked for.</p> : jobs.data && (
          <div class="scroll" tabIndex={0} role="region" aria-label="Jobs">
            <table class="records">
              <thead><tr><th>Job</th><th>Status</th><th class="number">Begun</th></tr></thead>
              <tbody>
                {jobs.data.jobs.map((job) => (
                  <tr key={job.job_id}>
                    <th scope="row"><code>{job.job_id}</code></th><td><Badge status={job.status} /></td>
                    <td class="number quiet" title={minute(job.created_at)}>{ago(job.created_at)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        )}
      </section>
      <p class="quiet"><a href="metrics">/metrics</a> has what Prometheus scrapes, <a href="docs">the reference</a> each route.</p>
    </main>
  );
}

function Store({ name, what, state }: { name: string; what: string; state: string }) {
  return <Figure name={`${name} (${what})`}><span class={`stores ${state === "ok" ? "healthy" : "unhealthy"}`}>{state}</span></Figure>;
}
