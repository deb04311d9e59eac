import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"

/** A span that has been told of. */
export interface RecordedSpan {
  readonly name: string
  readonly traceId: string
  readonly spanId: string
  readonly parentId: string | undefined
  readonly attributes: ReadonlyMap<string, unknown>
  /** Ids of the spans it is linked to. */
  readonly links: ReadonlyArray<string>
  /** All there is of it, as text. */
  readonly text: () => string
}

const hex = (digits: number): string =>
  Array.from({ length: digits }, () => Math.floor(Math.random() * 16).toString(16)).join("")

/** A tracer that keeps its spans. */
export const recordingTracer = () => {
  const spans: Array<RecordedSpan> = []
  const tracer = Tracer.make({
    context: (f) => f(),
    span: (name, parent, context, links, startTime, kind) => {
      const attributes = new Map<string, unknown>()
      const notes: Array<unknown> = []
      const found = parent._tag === "Some" ? parent.value : undefined
      const span: Tracer.Span = {
        ...{ _tag: "Span", name, parent, context, links, kind, attributes, sampled: true },
        spanId: hex(16),
        traceId: found?.traceId ?? hex(32),
        status: { _tag: "Started", startTime },
        attribute: (key, value) => attributes.set(key, value),
        event: (event, _, given) => notes.push([event, given]),
        addLinks: (more) => notes.push(more.map(({ attributes }) => attributes)),
        end: (_, exit) => {
          if (Exit.isFailure(exit)) notes.push(Cause.pretty(exit.cause, { renderErrorCause: true }), exit)
        }
      }
      spans.push({
        ...{ name, attributes, spanId: span.spanId, traceId: span.traceId, parentId: found?.spanId },
        links: links.map((link) => link.span.spanId),
        text: () => JSON.stringify([name, [...attributes], notes])
      })
      return span
    }
  })
  return { layer: Layer.setTracer(tracer), spans, texts: () => spans.map(({ text }) => text()) }
}
