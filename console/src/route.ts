// The address of a view: #/runs?sort=-summary_metrics.pf_long. All that a view shows is in it, so that it can be kept and sent.
import { computed, signal } from "@preact/signals";

const hash = signal(location.hash);
addEventListener("hashchange", () => (hash.value = location.hash));

export interface Route {
  parts: string[];
  query: URLSearchParams;
}

export const route = computed<Route>(() => {
  const [path = "", query = ""] = hash.value.replace(/^#\/?/, "").split("?", 2);
  return { parts: path.split("/").filter(Boolean).map(decodeURIComponent), query: new URLSearchParams(query) };
});

type Values = Record<string, string | number | readonly string[] | null | undefined>;

export function link(parts: readonly string[], values: Values = {}): string {
  const query = new URLSearchParams();
  set(query, values);
  const text = query.toString().replaceAll("%2C", ",");
  return "#/" + parts.map(encodeURIComponent).join("/") + (text && "?" + text);
}

/** The address of this view with some values changed; null takes one away. */
export function changed(values: Values): string {
  const all: Values = {};
  for (const name of new Set(route.value.query.keys())) all[name] = route.value.query.getAll(name);
  return link(route.value.parts, { ...all, ...values });
}

/** Shows this view with some values changed. What is typed or ticked replaces the entry in the history, what leads elsewhere adds one. */
export function change(values: Values, { replace = false } = {}): void {
  const to = changed(values);
  if (to === location.hash) return;
  if (!replace) {
    location.hash = to;
    return;
  }
  history.replaceState(null, "", to);
  hash.value = to;
}

function set(query: URLSearchParams, values: Values): void {
  for (const [name, value] of Object.entries(values)) {
    if (value === null || value === undefined || value === "") continue;
    if (typeof value === "object") value.forEach((one) => query.append(name, one));
    else query.set(name, String(value));
  }
}
