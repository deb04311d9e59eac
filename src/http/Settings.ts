import * as Context from "effect/Context"

/** What an operator may tune about the server. */
export interface HttpSettingsShape {
  /** A larger body is refused. */
  readonly bodyLimitBytes: number
  /** How long a stop waits for answers that are under way. */
  readonly stopMs: number
}

/** The settings of the HTTP server; without a layer the defaults hold. */
export class HttpSettings extends Context.Reference<HttpSettings>()("perdure/http/Settings", {
  defaultValue: (): HttpSettingsShape => ({ bodyLimitBytes: 1_048_576, stopMs: 5_000 })
}) {}
