import type { components } from "./schema.gen.js";

/** What is wrong, for a program: the codes of docs/errors.md. */
export type ErrorCode = components["schemas"]["Error"]["code"];

/** An answer with a status of 400 or more. */
export class FoldbookError extends Error {
  override readonly name = "FoldbookError";

  constructor(
    readonly status: number,
    /** `unknown` where something before the service answered, such as a proxy. */
    readonly code: ErrorCode | "unknown",
    message: string,
    /** By which the service's log has the request. */
    readonly requestId: string | null,
    /** More about the error, by code; often empty. */
    readonly details: Record<string, unknown> = {},
    /** In how many seconds a repeat makes sense, where the service says so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }

  static async of(response: Response): Promise<FoldbookError> {
    const text = await response.text();
    const requestId = response.headers.get("X-Request-Id");
    const after = retryAfter(response);
    try {
      const body = JSON.parse(text) as components["schemas"]["Error"];
      if (body.code && body.message) {
        return new FoldbookError(response.status, body.code, body.message, body.request_id, body.details, after);
      }
    } catch {
      // not the service's answer
    }
    const message = `${response.status} ${response.statusText}: ${text.slice(0, 200)}`;
    return new FoldbookError(response.status, "unknown", message, requestId, {}, after);
  }
}

/** The seconds of Retry-After, which may also be a date. */
export function retryAfter(response: Response): number | null {
  const value = response.headers.get("Retry-After");
  if (!value) return null;
  const seconds = /^\d+$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
  return Number.isNaN(seconds) ? null : Math.max(0, seconds);
}
