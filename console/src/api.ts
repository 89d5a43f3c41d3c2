// The public API, by the types that are generated from its description: a column that is gone is an error of tsc here.
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import type { components, paths } from "../../clients/typescript/src/schema.gen";

export type Schemas = components["schemas"];
type Json<O> = O extends { responses: { 200: { content: { "application/json": infer T } } } } ? T : never;
/** The paths whose GET answers JSON. */
export type GetPath = { [P in keyof paths]: paths[P] extends { get: infer O } ? ([Json<O>] extends [never] ? never : P) : never }[keyof paths];
export type Answer<P extends GetPath> = paths[P] extends { get: infer O } ? Json<O> : never;
type Query<P extends GetPath> = paths[P] extends { get: { parameters: { query?: infer Q } } } ? NonNullable<Q> : Record<string, never>;
export interface Params<P extends GetPath = GetPath> {
  path?: Record<string, string>;
  query?: Query<P>;
}
/** Rows by column, as shape=columns answers them on every series. */
export interface Columns {
  columns: string[];
  rows: Record<string, (number | string | null)[]>;
  count: number;
  total: number;
  measurement?: string | null;
}

/** An answer that is none: what went wrong, in the words of the service. */
export class ApiError extends Error {
  constructor(readonly status: number, readonly code: string, message: string, readonly requestID?: string) {
    super(message);
  }
}

/** A request of the view that is shown, so that it can be copied. */
export interface Shown {
  path: GetPath;
  params: { path?: Record<string, string>; query?: Record<string, unknown> };
  address: string;
  table?: string | null;
}
export const shown = signal<readonly Shown[]>([]);
/** Whether the service asks for a key that this page does not have, and why. */
export const locked = signal<string | null>(null);

/** Whether this browser was let in by a key. Its cookie is not for scripts to read, so the page notes that there is one. */
export const session = signal(localStorage.getItem("foldbook-session") !== null);
session.subscribe((on) => (on ? localStorage.setItem("foldbook-session", "on") : localStorage.removeItem("foldbook-session")));

export async function logOut(): Promise<void> {
  await send("DELETE", "api/session");
  session.value = false;
  locked.value = "You are logged out.";
}

/** The address of a request, below the address of the page. Several values are separated by commas; each metric is one of its own. */
export function address(path: string, params: { path?: Record<string, string>; query?: Record<string, unknown> } = {}): string {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(params.query ?? {})) {
    if (value === undefined || value === null || value === "") continue;
    if (name === "metric" && Array.isArray(value)) value.forEach((metric) => query.append(name, String(metric)));
    else query.append(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params.path?.[name] ?? ""));
  return filled.slice(1) + (query.size ? `?${query.toString().replaceAll("%2C", ",")}` : "");
}

/** Sends a request; what it throws is an ApiError, unless it was aborted. */
export async function send(method: string, to: string, init: RequestInit = {}): Promise<unknown> {
  let response: Response;
  try {
    response = await fetch(to, { ...init, method, credentials: "same-origin" });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new ApiError(0, "unreachable", "the service does not answer");
  }
  if (response.ok) return response.status === 204 ? null : response.json();
  const said = (await response.json().catch(() => ({}))) as { code?: string; message?: string; request_id?: string };
  const error = new ApiError(response.status, said.code ?? "failed", said.message ?? response.statusText, said.request_id);
  if (response.status === 401 && to !== "api/session") locked.value = error.message;
  throw error;
}

export async function get<P extends GetPath>(path: P, params: Params<P> = {}, abort?: AbortSignal): Promise<Answer<P>> {
  return (await send("GET", address(path, params), { signal: abort ?? null })) as Answer<P>;
}

export interface Loaded<T> {
  data?: T;
  error?: ApiError;
  loading: boolean;
  again: () => void;
}

/** Reads for as long as the component is shown; null reads nothing. The data of before stays until the new one is there. */
export function useGet<P extends GetPath, T = Answer<P>>(path: P | null, params: Params<P> = {}): Loaded<T> {
  const to = path && address(path, params);
  const [state, setState] = useState<{ data?: T; error?: ApiError; of?: string }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path || !to) return;
    const abort = new AbortController();
    const entry: Shown = { path, params: params as Shown["params"], address: to };
    shown.value = [...shown.value, entry];
    send("GET", to, { signal: abort.signal }).then(
      (data) => {
        entry.table = (data as { measurement?: string | null } | null)?.measurement;
        setState({ data: data as T, of: to });
      },
      (error: unknown) => abort.signal.aborted || setState({ error: error as ApiError, of: to }),
    );
    return () => {
      abort.abort();
      shown.value = shown.value.filter((other) => other !== entry);
    };
  }, [to, turn, locked.value === null]);
  return { ...state, loading: to !== null && state.of !== to, again: () => setTurn(turn + 1) };
}

/** The rows of a series, by column. */
export function useColumns<P extends GetPath>(path: P | null, params: Params<P> = {}): Loaded<Columns> {
  return useGet<P, Columns>(path, { ...params, query: { ...params.query, shape: "columns" } as unknown as Query<P> });
}
