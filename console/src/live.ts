// What changes while the page is looked at: the events of the service, by which the requests of the view that they concern are read once more.
import { effect, signal } from "@preact/signals";
import { messages } from "../../clients/typescript/src/events";
import { address, holdReads, locked, request, type Schemas, type Shown, shown } from "./api";

/** Whether changes are shown by themselves. */
export const live = signal<"connecting" | "live" | "away">("connecting");

const visible = signal(!document.hidden);
document.addEventListener("visibilitychange", () => (visible.value = !document.hidden));

let last: number | undefined; // the last event that was dealt with
let release = () => {};

/** Listens while the page can be seen. Reads wait for that, so that nothing falls between the two; a second at most. */
export function followEvents(): void {
  if (visible.value) holdReads(new Promise<void>((done) => setTimeout((release = done), 1000)));
  let ending: AbortController | undefined;
  effect(() => {
    const wanted = visible.value && locked.value === null;
    if (wanted === (ending !== undefined)) return;
    ending?.abort();
    ending = wanted ? new AbortController() : undefined;
    if (ending) void follow(ending.signal);
  });
  setInterval(() => document.hidden || refresh(({ path }) => path === "/api/health"), 15_000); // which is no record, so no event tells of it
}

async function follow(signal: AbortSignal): Promise<void> {
  const connect = async (after: string | undefined) => {
    const late = setTimeout(away, 3000);
    try {
      return await request("GET", address("/api/events"), { signal, headers: after === undefined ? {} : { "Last-Event-ID": after } });
    } catch (failure) {
      if (!signal.aborted) away();
      throw failure;
    } finally {
      clearTimeout(late);
    }
  };
  try {
    for await (const message of messages(connect, { signal, ...(last === undefined ? {} : { after: last }) })) {
      live.value = "live";
      if (message.type === "event") refresh((one) => concerns(one, message.event));
      else refresh((one) => one.failed || message.type === "reset" || last === undefined);
      if (message.type !== "hello" || last === undefined) last = message.seq; // who comes again is told in hello how far there is to go
      release();
    }
  } catch {
    away(); // a refusal: the reads of the view say why
  }
}

function away(): void {
  live.value = "away";
  release();
}

function refresh(which: (one: Shown) => boolean): void {
  for (const one of shown.value) if (which(one)) one.refresh();
}

/** Whether what a request answers may be another after an event. */
function concerns({ path, params }: Shown, { topic, kind, subject_id, run_id, data }: Schemas["Event"]): boolean {
  const id = Object.values(params.path ?? {})[0];
  switch (path) {
    case "/api/health":
      return false;
    case "/api/jobs":
      return topic === "jobs";
    case "/api/runs":
      return topic === "runs";
    case "/api/leaderboard":
      return topic === "runs" || topic === "simulations";
    case "/api/runs/compare":
      return (topic === "runs" || topic === "simulations") && ((params.query?.ids ?? []) as unknown[]).includes(run_id);
    case "/api/datasets": // it counts runs and simulations
      return topic === "datasets" || ((topic === "runs" || topic === "simulations") && (kind === "created" || kind === "deleted"));
    case "/api/runs/{run_id}/annotations":
      return topic === "annotations" && run_id === id;
    case "/api/runs/{run_id}/simulations":
      return topic === "simulations" && run_id === id;
  }
  if (path.startsWith("/api/datasets/")) return topic === "datasets" && (subject_id === id || data.dataset_slug === id || kind === "deleted");
  if (path.startsWith("/api/simulations/")) return (topic === "simulations" && subject_id === id) || (topic === "datasets" && kind === "rows");
  return topic === "runs" && subject_id === id;
}
