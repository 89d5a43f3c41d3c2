export { createClient } from "./client.js";
export type { Client, Listed, Options, Row, RowsPath } from "./client.js";
export type { Event, Message, Subscription, Topic } from "./events.js";
export { FoldbookError } from "./errors.js";
export type { ErrorCode } from "./errors.js";
export type { Retries } from "./retry.js";
export type { components, operations, paths } from "./schema.gen.js";
