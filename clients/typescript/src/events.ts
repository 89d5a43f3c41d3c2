import { FoldbookError } from "./errors.js";
import type { components } from "./schema.gen.js";

/** A change of a record. */
export type Event = components["schemas"]["Event"];
export type Topic = components["schemas"]["EventTopic"];

/** What a subscription yields: first `hello`, then events; `reset` says that some are missing, and that lists have to be read anew. */
export type Message = { type: "hello" | "reset"; seq: number } | { type: "event"; seq: number; event: Event };

export interface Subscription {
  topic?: Topic[];
  /** Records, or runs and datasets whose records are meant too. */
  id?: string[];
  /** Goes on after this event: the `X-Event-Seq` of a list that was read before. */
  after?: number;
  /** Ends the subscription. */
  signal?: AbortSignal;
}

type Connect = (last: string | undefined) => Promise<Response>;

const shortest = 0.25; // seconds before it connects again; twice as many each time that fails, up to the longest
const longest = 15;
const silence = 40_000; // milliseconds: the service sends something every 15 s

/** Messages until the signal ends it: a connection that is lost is made again, after the last event that came. */
export async function* messages(connect: Connect, { after, signal }: Subscription): AsyncGenerator<Message, void, undefined> {
  let last = after === undefined ? undefined : String(after);
  for (let wait = shortest; !signal?.aborted; wait = Math.min(2 * wait, longest)) {
    try {
      for await (const { id, type, data } of frames((await connect(last)).body!, signal)) {
        wait = shortest;
        if (type === "hello" || type === "reset") yield { type, seq: (data as { seq: number }).seq };
        else yield { type: "event", seq: Number(id), event: data as Event };
        last = id; // what was yielded is done when the consumer asks for more
      }
    } catch (failure) {
      // A refusal stays one, however often it is asked for; a service that is busy or away comes back.
      if (failure instanceof FoldbookError && failure.status < 500 && failure.status !== 429) throw failure;
    }
    if (!signal?.aborted) await pause(wait * (0.5 + Math.random()), signal);
  }
}

interface Frame { id: string; type: string; data: unknown }

/** The server-sent events of a body. */
async function* frames(body: ReadableStream<Uint8Array>, signal?: AbortSignal): AsyncGenerator<Frame, void, undefined> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  const stop = () => void reader.cancel().catch(() => undefined);
  signal?.addEventListener("abort", stop, { once: true });
  let rest = "";
  try {
    for (;;) {
      const dead = setTimeout(stop, silence);
      const { done, value } = await reader.read().finally(() => clearTimeout(dead));
      if (done) return;
      const parts = (rest + decoder.decode(value, { stream: true })).split("\n\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const fields = new Map(part.split("\n").map((line) => [line.slice(0, line.indexOf(": ")), line.slice(line.indexOf(": ") + 2)]));
        if (fields.has("data")) yield { id: fields.get("id")!, type: fields.get("event")!, data: JSON.parse(fields.get("data")!) };
      }
    }
  } finally {
    signal?.removeEventListener("abort", stop);
    stop();
  }
}

function pause(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, seconds * 1000);
    signal?.addEventListener("abort", done, { once: true });
  });
}
