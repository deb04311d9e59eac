import * as Context from "effect/Context"
import type { Token } from "./Tokens.js"
import type { WebhookKey } from "./WebhookKeys.js"

/** What an operator may tune about the server. */
export interface HttpSettingsShape {
  /** A larger body is refused. */
  readonly bodyLimitBytes: number
  /** How long a stop waits for answers that are under way. */
  readonly stopMs: number
  /** Who may call; with none, everybody may who reaches the server, which is then bound to a loopback address. */
  readonly tokens: ReadonlyArray<Token>
  /** Names the server goes by beside those of a loopback address; empty on another address: any. */
  readonly hosts: ReadonlyArray<string>
  /** Sites whose pages may call the server from a browser, as `https://app.example`; its own pages always may. */
  readonly origins: ReadonlyArray<string>
  /** Calls of one address in a second, ten seconds' worth of them at once; 0: any number. */
  readonly callsPerSecond: number
  /** Connections at most; further ones are closed. */
  readonly maxConnections: number
  /** Streams of events at most; further ones are refused. */
  readonly maxStreams: number
  /** Time between two looks for events that streams tell of. */
  readonly streamMs: number
  /** Who may send external events signed by a key. */
  readonly webhooks: ReadonlyArray<WebhookKey>
  /** How far the time of a signed event may be from ours. */
  readonly webhookToleranceMs: number
}

/** The defaults. */
export const defaultHttpSettings: HttpSettingsShape = {
  bodyLimitBytes: 1_048_576,
  stopMs: 5_000,
  tokens: [],
  hosts: [],
  origins: [],
  callsPerSecond: 1_000,
  maxConnections: 2_000,
  maxStreams: 500,
  streamMs: 500,
  webhooks: [],
  webhookToleranceMs: 300_000
}

/** The settings of the HTTP server; without a layer the defaults hold. */
export class HttpSettings extends Context.Reference<HttpSettings>()("perdure/http/Settings", {
  defaultValue: (): HttpSettingsShape => defaultHttpSettings
}) {}
