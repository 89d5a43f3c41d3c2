import { retryAfter } from "./errors.js";

export interface Retries {
  /** How many times a request is repeated; 3 by default, and 0 is never. */
  times?: number;
  /** The longest wait in seconds, 30 by default. Where the service asks for more, its answer is thrown at once. */
  longestWait?: number;
}

const anyMethod = [409, 429]; // nothing was done
const sameAgain = [502, 503, 504]; // something may have been done, and a repeat ends in the same state

/** Wraps a fetch so that it repeats what may be repeated, when the service says when. */
export function retrying(fetch: (request: Request) => Promise<Response>, { times = 3, longestWait = 30 }: Retries = {}) {
  return async (request: Request): Promise<Response> => {
    for (let left = times; ; left--) {
      if (left <= 0) return fetch(request);
      let wait = 0.25 * 2 ** (times - left);
      try {
        const response = await fetch(request.clone());
        const asked = retryAfter(response);
        if (asked === null || asked > longestWait || !mayRepeat(request.method, response.status)) return response;
        wait = asked;
        await response.body?.cancel();
      } catch (failure) {
        // No answer came. Whether the request did is not known, so only reads are repeated.
        if (!["GET", "HEAD"].includes(request.method) || request.signal.aborted) throw failure;
      }
      await pause(wait, request.signal);
    }
  };
}

function mayRepeat(method: string, status: number): boolean {
  return anyMethod.includes(status) || (sameAgain.includes(status) && ["GET", "HEAD", "PUT", "DELETE"].includes(method));
}

function pause(seconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, seconds * 1000);
    signal.addEventListener("abort", stop, { once: true });
  });
}
