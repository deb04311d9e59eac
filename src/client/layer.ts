import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import * as Layer from "effect/Layer"
import { Client } from "./Client.js"
import { make } from "./make.js"
import type { ClientOptions } from "./Options.js"

/**
 * The client of a server, over `fetch`.
 *
 * @example
 * const PerdureClient = Perdure.layer({ url: "https://perdure.example", token: Redacted.make("…") })
 */
export const layer = (options: ClientOptions): Layer.Layer<Client> =>
  Layer.provide(Layer.effect(Client, make(options)), FetchHttpClient.layer)
