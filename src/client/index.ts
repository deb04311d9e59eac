/**
 * The engine over HTTP, typed by a workflow's definition; for servers and browsers.
 *
 * **Details** Nothing here needs Node: definitions, this client and their schemas can be bundled for a page.
 */

export { DefinitionMismatch } from "../model/Errors.js"
export {
  Client,
  type ClientApi,
  type Explanation,
  type Run,
  type RunEnd,
  type RunEvent,
  type RunNews,
  type RunQuery,
  type RunSummary
} from "./Client.js"
export * from "./Errors.js"
export { layer } from "./layer.js"
export { make } from "./make.js"
export type { ClientOptions } from "./Options.js"
