import createFetchClient from "openapi-fetch";
import type { FetchResponse, MaybeOptionalInit } from "openapi-fetch";
import type { HttpMethod, MediaType, PathsWithMethod, RequiredKeysOf } from "openapi-typescript-helpers";
import { FoldbookError } from "./errors.js";
import { messages, type Message, type Subscription } from "./events.js";
import { lines } from "./lines.js";
import { retrying, type Retries } from "./retry.js";
import type { paths } from "./schema.gen.js";

export interface Options {
  /** Where the service is, such as `http://127.0.0.1:33931`; a path below which a proxy has it may follow. */
  baseUrl: string;
  /** A key or a JSON Web Token, or what returns the current one; needed where AUTH_MODE is on. */
  token?: string | (() => string | undefined | Promise<string | undefined>);
  /** What is repeated when the service asks for it, or when a read got no answer. */
  retries?: Retries;
  /** In place of the global fetch. */
  fetch?: (request: Request) => Promise<Response>;
}

/** A call of openapi-fetch whose data is always there, because everything else is thrown as a FoldbookError. */
type Call<M extends HttpMethod> = <P extends PathsWithMethod<paths, M>, I extends MaybeOptionalInit<paths[P], M>>(
  path: P,
  ...init: RequiredKeysOf<I> extends never ? [(I & Record<string, unknown>)?] : [I & Record<string, unknown>]
) => Promise<Success<FetchResponse<paths[P][M] & {}, I, Media<paths[P][M]>>>>;
/** JSON where a route has it among other formats. */
type Media<O> = O extends { responses: { 200: { content: { "application/json": unknown } } } } ? "application/json" : MediaType;
type Success<R> = R extends { data: infer D; error?: never } ? { data: D; response: Response } : never;

type Get<P extends keyof paths> = paths[P]["get"] & {};
type Content<P extends keyof paths> = Get<P> extends { responses: { 200: { content: infer C } } } ? C : never;
type Json<P extends keyof paths> = Content<P> extends { "application/json": infer T } ? T : never;
type Query<P extends keyof paths> = Get<P> extends { parameters: { query?: infer Q } } ? NonNullable<Q> : never;
type Params<P extends keyof paths> = Get<P> extends { parameters: infer T } ? Pick<T, keyof T & ("query" | "path")> : never;

/** Paths of lists that come in pages. */
type PagedPath = { [P in keyof paths]: Json<P> extends { next: string | null } ? P : never }[keyof paths];
/** Where the records of a page are: `runs` of `/api/runs`. */
type Member<P extends PagedPath> = { [K in keyof Json<P>]-?: Json<P>[K] extends object[] ? K : never }[keyof Json<P>];
type Item<T> = T extends (infer I)[] ? I : never;
/** A record as a list has it: `Listed<"/api/runs", "runs">`. */
export type Listed<P extends PagedPath, K extends Member<P>> = Item<Json<P>[K]>;

/** Paths of rows in QuestDB. */
export type RowsPath = { [P in keyof paths]: Content<P> extends { "application/vnd.foldbook.rows+json": unknown } ? P : never }[keyof paths];
/** A row of QuestDB: a number for most columns, text for symbols and for times other than `timestamp_ms`. */
export type Row = { timestamp_ms: number; [column: string]: number | string | boolean | null };

export interface Client {
  GET: Call<"get">;
  POST: Call<"post">;
  PUT: Call<"put">;
  PATCH: Call<"patch">;
  DELETE: Call<"delete">;
  datasets(query?: Query<"/api/datasets">): AsyncGenerator<Listed<"/api/datasets", "datasets">, void, undefined>;
  runs(query?: Query<"/api/runs">): AsyncGenerator<Listed<"/api/runs", "runs">, void, undefined>;
  simulations(query?: Query<"/api/simulations">): AsyncGenerator<Listed<"/api/simulations", "simulations">, void, undefined>;
  trades(
    simulationId: string,
    query?: Query<"/api/simulations/{simulation_id}/trades">,
  ): AsyncGenerator<Listed<"/api/simulations/{simulation_id}/trades", "trades">, void, undefined>;
  /** All records of a list, page after page: `each("/api/runs", "runs", {query: {status: ["COMPLETED"]}})`. */
  each<P extends PagedPath, K extends Member<P>>(path: P, member: K, params?: Params<P>): AsyncGenerator<Listed<P, K>, void, undefined>;
  /** The rows of a series, one by one as they arrive: `rows("/api/datasets/{dataset_id}/ohlcv", {path: {dataset_id: "demo"}})`. */
  rows<P extends RowsPath>(path: P, params: Params<P>): AsyncGenerator<Row, void, undefined>;
  /** What changes, as it changes, without a hole when the connection is lost: docs/events.md. */
  events(subscription?: Subscription): AsyncGenerator<Message, void, undefined>;
}

export function createClient({ baseUrl, token, retries, fetch = (request) => globalThis.fetch(request) }: Options): Client {
  const client = createFetchClient<paths>({
    baseUrl: baseUrl.replace(/\/+(api\/*)?$/, ""), // the dashboard's own setting may end in /api
    fetch: retrying(fetch, retries),
    querySerializer: serialize,
  });
  client.use({
    async onRequest({ request }) {
      const credential = typeof token === "function" ? await token() : token;
      if (credential) request.headers.set("Authorization", `Bearer ${credential}`);
      return request;
    },
    async onResponse({ response }) {
      if (response.status >= 400) throw await FoldbookError.of(response);
    },
  });

  // The paths are generic here, which the types of openapi-fetch cannot follow; the types of Client can.
  type AnyParams = { query?: Record<string, unknown>; path?: Record<string, unknown> };
  const get = client.GET as unknown as (path: string, init: object) => Promise<{ data: unknown }>;

  async function* each(path: string, member: string, params: AnyParams = {}) {
    for (let cursor: unknown = params.query?.cursor; cursor !== null; ) {
      const query = { limit: 200, count: "none", ...params.query, cursor };
      const page = (await get(path, { params: { ...params, query } })).data as Record<string, unknown>;
      yield* page[member] as object[];
      cursor = page.next;
    }
  }

  async function* rows(path: string, params: AnyParams) {
    const query = { ...params.query, format: "ndjson" };
    const { data } = await get(path, { params: { ...params, query }, parseAs: "stream" });
    for await (const line of lines(data as ReadableStream<Uint8Array>)) yield JSON.parse(line) as Row;
  }

  function events(subscription: Subscription = {}) {
    const { topic, id, signal } = subscription;
    const connect = async (last: string | undefined) => {
      const header = last === undefined ? {} : { "Last-Event-ID": last };
      const init = { params: { query: { topic, id }, header }, parseAs: "stream", signal };
      return ((await client.GET("/api/events", init as never)) as { response: Response }).response;
    };
    return messages(connect, subscription);
  }

  const { GET, POST, PUT, PATCH, DELETE } = client;
  return {
    GET, POST, PUT, PATCH, DELETE, each, rows, events,
    datasets: (query?: object) => each("/api/datasets", "datasets", { query: { ...query } }),
    runs: (query?: object) => each("/api/runs", "runs", { query: { ...query } }),
    simulations: (query?: object) => each("/api/simulations", "simulations", { query: { ...query } }),
    trades: (simulation_id: string, query?: object) =>
      each("/api/simulations/{simulation_id}/trades", "trades", { path: { simulation_id }, query: { ...query } }),
  } as unknown as Client;
}

/** Several values are separated by commas, as the service takes them; each `metric` is a parameter of its own. */
function serialize(query: Record<string, unknown>): string {
  const parts = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value === undefined || value === null) continue;
    if (name === "metric" && Array.isArray(value)) value.forEach((metric) => parts.append(name, String(metric)));
    else parts.append(name, Array.isArray(value) ? value.join(",") : String(value));
  }
  return parts.toString();
}
