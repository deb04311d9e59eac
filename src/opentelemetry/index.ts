import { layerJson } from "@effect/opentelemetry/OtlpSerialization"
import { layer as tracer } from "@effect/opentelemetry/OtlpTracer"
import * as FetchHttpClient from "@effect/platform/FetchHttpClient"
import type * as Duration from "effect/Duration"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"

/** Where spans go. */
export interface TracesOptions {
  /** As `http://127.0.0.1:4318/v1/traces`. */
  readonly url: string
  /** What the process is called; `perdure` unless given. */
  readonly serviceName?: string
  /** Sent with every export, as a key of the collector. */
  readonly headers?: { readonly [name: string]: Redacted.Redacted }
  /** How long spans are gathered; 5 s unless given. */
  readonly exportEvery?: Duration.DurationInput
}

/**
 * Sends the spans of an engine to an OpenTelemetry collector, by OTLP over HTTP.
 *
 * **Details** Each run is one trace, from its start on, whatever processes execute it: `perdure.start`, a `perdure.attempt` around the
 * spans of its handler, `perdure.firing` and `perdure.commit`. Spans bear names and numbers, never values. Wants the optional
 * package `@effect/opentelemetry`, whose `NodeSdk.layer` does as well where its SDK is in use already. Provide it to the
 * engine's layer: an engine built without a tracer does nothing for traces.
 *
 * @example
 * const Engine = Perdure.layerEngine().pipe(Layer.provide(layer({ url: "http://127.0.0.1:4318/v1/traces" })))
 */
export const layer = (options: TracesOptions): Layer.Layer<never> =>
  tracer({
    url: options.url,
    resource: { serviceName: options.serviceName ?? "perdure" },
    headers: Object.fromEntries(
      Object.entries(options.headers ?? {}).map(([name, value]) => [name, Redacted.value(value)])
    ),
    ...(options.exportEvery === undefined ? {} : { exportInterval: options.exportEvery })
  }).pipe(Layer.provide([layerJson, FetchHttpClient.layer]))
