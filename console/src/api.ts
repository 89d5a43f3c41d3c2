// The public API, by the types that are generated from its description: a column that is gone is an error of tsc here.
import { useEffect, useState } from "preact/hooks";
import { signal } from "@preact/signals";
import { FoldbookError } from "../../clients/typescript/src/errors";
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

/** A request of the view that is shown, so that it can be copied. */
export interface Shown {
  path: GetPath;
  params: { path?: Record<string, string>; query?: Record<string, unknown> };
  address: string;
  table?: string | null;
  /** The last answer was an error. */
  failed: boolean;
  /** Reads once more, and shows what has changed. */
  refresh: () => void;
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

/** Sends a request; what it throws is a FoldbookError, unless it was aborted. */
export async function request(method: string, to: string, init: RequestInit = {}): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(to, { ...init, method, credentials: "same-origin" });
  } catch (cause) {
    if (init.signal?.aborted) throw cause;
    throw new FoldbookError(0, "unknown", "the service does not answer", null);
  }
  if (response.ok) return response;
  const error = await FoldbookError.of(response);
  if (error.status === 401 && to !== "api/session") locked.value = error.message;
  throw error;
}

/** Sends a request, with a body of JSON where there is one, and returns what it answers. */
export async function send(method: string, to: string, headers: Record<string, string> = {}, body?: unknown): Promise<unknown> {
  const sent = body === undefined ? { headers } : { headers: { ...headers, "Content-Type": "application/json" }, body: JSON.stringify(body) };
  const response = await request(method, to, sent);
  return response.status === 204 ? null : response.json();
}

export interface Loaded<T> {
  data?: T;
  error?: FoldbookError;
  loading: boolean;
  again: () => void;
}

let held: Promise<unknown> = Promise.resolve();
/** Lets reads wait for something. */
export const holdReads = (until: Promise<unknown>): void => void (held = until);

const pause = (ms: number) => new Promise((done) => setTimeout(done, ms));

/**
 * Reads for as long as the component is shown, and once more when told to; null reads nothing. The data of before stays until the new one is
 * there, and for as long as a service that does not answer keeps it from being read again.
 */
export function useGet<P extends GetPath, T = Answer<P>>(path: P | null, params: Params<P> = {}): Loaded<T> {
  const to = path && address(path, params);
  const [state, setState] = useState<{ data?: T; error?: FoldbookError; of?: string }>({});
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    if (!path || !to) return;
    const abort = new AbortController();
    const { signal } = abort;
    let before: string | undefined; // as it came: what has not changed is not drawn anew
    let waiting = true;
    const read = async () => {
      try {
        const text = await (await request("GET", to, { signal })).text();
        entry.failed = false;
        if (text === before) return;
        before = text;
        const data = JSON.parse(text) as T;
        entry.table = (data as { measurement?: string | null } | null)?.measurement;
        setState({ data, of: to });
      } catch (thrown) {
        if (signal.aborted) return;
        const error = thrown instanceof FoldbookError ? thrown : new FoldbookError(0, "unknown", "the answer was cut off", null);
        const passing = error.status === 0 || error.status >= 500;
        if (passing) setTimeout(() => document.hidden || refresh(), 10_000);
        entry.failed = true;
        if (passing && before !== undefined && path !== "/api/health") return;
        before = undefined;
        setState({ error, of: to });
      }
    };
    /** Reads, and rests: what takes long is read the less often. */
    const takeTurn = async () => {
      if (signal.aborted) return;
      waiting = false; // what changes from now on is read once more
      const began = Date.now();
      await read();
      await pause(Math.max(500, 9 * (Date.now() - began)));
    };
    const refresh = () => {
      if (waiting) return;
      waiting = true;
      turns = turns.then(takeTurn);
    };
    const entry: Shown = { path, params: params as Shown["params"], address: to, failed: false, refresh };
    let turns = held.then(takeTurn);
    shown.value = [...shown.value, entry];
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
