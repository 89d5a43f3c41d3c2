// What is typed and ticked above the list of runs. Everything is in the address.
import { useState } from "preact/hooks";
import { useGet } from "./api";
import { label, short } from "./format";
import { change, changed, route } from "./route";

const statuses = ["PENDING", "QUEUED", "RUNNING", "COMPLETED", "FAILED", "CANCELLED"];

export function Filters({ paths, columns }: { paths: string[]; columns: string[] }) {
  const query = route.value.query;
  const datasets = useGet("/api/datasets", { query: { limit: 200, fields: ["dataset_id", "dataset_slug"] as never } });
  const set = (values: Record<string, string | string[] | null>) => change({ ...values, offset: null });
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <Typed id="search" label="Search" placeholder="name, dataset, symbol, target…" value={query.get("search") ?? ""}
        onEnter={(search) => set({ search })} />
      <label>
        <span>Dataset</span>
        <select value={query.get("dataset") ?? ""} onChange={(event) => set({ dataset: event.currentTarget.value })}>
          <option value="">all</option>
          {(datasets.data?.datasets ?? []).map((one) => (
            <option key={one.dataset_id} value={one.dataset_slug ?? one.dataset_id}>{one.dataset_slug ?? one.dataset_id}</option>
          ))}
        </select>
      </label>
      <label>
        <span>Status</span>
        <select value={query.get("status") ?? ""} onChange={(event) => set({ status: event.currentTarget.value })}>
          <option value="">all</option>
          {statuses.map((status) => <option key={status} value={status}>{status.toLowerCase()}</option>)}
        </select>
      </label>
      <MetricFilter paths={paths} onAdd={(metric) => set({ metric: [...query.getAll("metric"), metric] })} />
      <Columns paths={paths} columns={columns} />
      {["tags", "search_id", "metric"].some((name) => query.has(name)) && (
        <ul class="chips" aria-label="Filters">
          {["tags", "search_id"].map((name) => query.get(name) && (
            <li key={name}>
              {name === "tags" ? "tag" : "search"} <code>{query.get(name)}</code>
              <a href={changed({ [name]: null, offset: null })} aria-label={`Remove ${query.get(name)}`}>✕</a>
            </li>
          ))}
          {query.getAll("metric").map((metric, i, all) => (
            <li key={metric}>
              <code>{metric}</code>
              <a href={changed({ metric: all.filter((_, j) => j !== i), offset: null })} aria-label={`Remove ${metric}`}>✕</a>
            </li>
          ))}
        </ul>
      )}
    </form>
  );
}

/** A field whose text counts once Enter is pressed or the field is left. */
function Typed({ id, label, placeholder, value, onEnter }:
  { id: string; label: string; placeholder: string; value: string; onEnter: (text: string) => void }) {
  const enter = (event: { currentTarget: HTMLInputElement }) => event.currentTarget.value.trim() !== value && onEnter(event.currentTarget.value.trim());
  return (
    <label class="wide">
      <span>{label}</span>
      <input id={id} type="search" key={value} defaultValue={value} placeholder={placeholder} autoComplete="off"
        onKeyDown={(event) => event.key === "Enter" && enter(event)} onChange={enter} />
    </label>
  );
}

const operators = [">=", "<=", ">", "<", "=", "!=", "exists", "missing"];

function MetricFilter({ paths, onAdd }: { paths: string[]; onAdd: (metric: string) => void }) {
  const [path, setPath] = useState("");
  const [operator, setOperator] = useState(">=");
  const [value, setValue] = useState("");
  const unary = operator === "exists" || operator === "missing";
  const ready = path !== "" && (unary || value !== "");
  const add = () => {
    if (!ready) return;
    const whole = path.includes(".") || path === "created_at" || path === "duration_ms" ? path : `summary_metrics.${path}`;
    onAdd(unary ? `${whole} ${operator}` : whole + operator + value);
    setValue("");
  };
  const onEnter = (event: KeyboardEvent) => event.key === "Enter" && add();
  return (
    <fieldset class="metric">
      <legend>Metric</legend>
      <input aria-label="Metric" list="paths" value={path} placeholder="pf_long" autoComplete="off" spellcheck={false}
        onInput={(event) => setPath(event.currentTarget.value.trim())} onKeyDown={onEnter} />
      <datalist id="paths">{paths.map((one) => <option key={one} value={one} />)}</datalist>
      <select aria-label="Comparison" value={operator} onChange={(event) => setOperator(event.currentTarget.value)}>
        {operators.map((one) => <option key={one}>{one}</option>)}
      </select>
      {!unary && (
        <input aria-label="Value" class="value" value={value} placeholder="1.2" autoComplete="off"
          onInput={(event) => setValue(event.currentTarget.value.trim())} onKeyDown={onEnter} />
      )}
      <button type="button" disabled={!ready} onClick={add}>Add</button>
    </fieldset>
  );
}

export function Columns({ paths, columns }: { paths: string[]; columns: string[] }) {
  const [wanted, setWanted] = useState("");
  const toggle = (path: string) =>
    change({ cols: (columns.includes(path) ? columns.filter((one) => one !== path) : [...columns, path]).join(",") || "," }, { replace: true });
  const all = [...new Set([...columns, ...paths])].filter((path) => path.includes(wanted));
  return (
    <details class="columns">
      <summary>Columns</summary>
      <div class="popup">
        <input type="search" aria-label="Find a column" placeholder="find…" onInput={(event) => setWanted(event.currentTarget.value)} />
        <ul>
          {all.map((path) => (
            <li key={path}>
              <label title={path}>
                <input type="checkbox" checked={columns.includes(path)} onChange={() => toggle(path)} />
                {label(short(path))}
                {path.includes(".") && <small>{path.split(".")[0]}</small>}
              </label>
            </li>
          ))}
        </ul>
      </div>
    </details>
  );
}
