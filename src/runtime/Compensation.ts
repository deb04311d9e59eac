import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Either from "effect/Either"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { OutputMode } from "../definition/Graph.js"
import { NodeContext } from "../definition/NodeContext.js"
import type { CompensationPolicy } from "../definition/NodeDefinition.js"
import type { UndecodableRow } from "../model/Errors.js"
import type { AttemptOutcome } from "../model/Firing.js"
import type { RunId } from "../model/Ids.js"
import { compensationNode } from "../model/Message.js"
import { type AttemptSite, retried, TimedOut } from "./Attempt.js"
import { fieldName, type NodeCodec, type Refusal } from "./Codec.js"
import { describe } from "./Describe.js"

/** What a firing has left: values by handle and by port, still encoded; no outputs where nobody knows what it did. */
const UndoRecord = Schema.parseJson(
  Schema.Struct({
    node: Schema.String,
    firing: Schema.Int,
    inputs: Schema.Record({ key: Schema.String, value: Schema.Unknown }),
    outputs: Schema.NullOr(Schema.Record({ key: Schema.String, value: Schema.Array(Schema.Unknown) }))
  })
)
type UndoRecord = typeof UndoRecord.Type

const decodeRecord = Schema.decodeEither(UndoRecord)

/** Reads what a firing has left, by its number. */
interface UndoReader {
  readonly undo: (runId: RunId, number: number) => Effect.Effect<string | undefined, UndecodableRow>
}

/**
 * One attempt to undo one firing: reads what it has left, decodes that and runs the node's compensation.
 *
 * **Details** Never fails: errors, defects and time-outs are outcomes, tried again under the compensation's own policy. A record
 * that is damaged is told of, and waited with: the run is parked.
 */
export const compensate = (
  site: AttemptSite,
  reader: UndoReader,
  unreadable: (why: string) => void
): Effect.Effect<AttemptOutcome> => {
  const taken = site.start.firing.inputs[compensationNode]
  const number = taken !== undefined && "ref" in taken ? taken.ref[1] : 0
  const key = `${site.runId}/${compensationNode}/${number}`
  const park = (why: string) =>
    Effect.zipRight(
      Effect.sync(() => unreadable(`run_inbox_messages ${key}: ${why}`)),
      Effect.never
    )
  return reader.undo(site.runId, number).pipe(
    Effect.catchAll((error) => park(error.message)),
    Effect.flatMap((text) =>
      text === undefined
        ? park("what a compensation needs is gone")
        : Either.match(decodeRecord(text), {
            // Without the parser's own words: they quote what was read, and that may be a secret.
            onLeft: () => park("what a compensation needs can't be read"),
            onRight: (record) => undertake(site, record, park)
          })
    ),
    // A schema, or a retry policy, of the author's that threw.
    Effect.catchAllDefect((defect) =>
      Effect.succeed<AttemptOutcome>({ _tag: "Failed", kind: "defect", message: describe(defect) })
    )
  )
}

const undertake = (
  site: AttemptSite,
  record: UndoRecord,
  park: (why: string) => Effect.Effect<never>
): Effect.Effect<AttemptOutcome> => {
  const { codecs, handlers, plan } = site.registered
  const index = plan.byId.get(record.node)?.index ?? -1
  const [codec, handling] = [codecs[index], handlers[index]]
  const run = handling?.compensate
  const policy = codec?.definition.compensate
  if (codec === undefined || handling === undefined || run === undefined || policy === undefined) {
    return park(`node ${record.node} can't be compensated`)
  }
  const what = `compensation of ${record.node}/${record.firing}`
  const values = Either.all([decodeInputs(codec, record), decodeOutputs(codec, record)])
  if (Either.isLeft(values)) {
    return Effect.succeed({ _tag: "Failed", kind: "undecodable", message: `${what}: ${values.left}` })
  }
  const [inputs, outputs] = values.right
  // The firing that is undone, with the tries of the compensation.
  const context = Context.add(handling.environment, NodeContext, site.nodeContext(record.node, record.firing))
  const work = Effect.provide(
    Effect.suspend(() => run(inputs, outputs)),
    context
  )
  return Effect.matchCauseEffect(inTime(work, policy), {
    onSuccess: () => Effect.succeed<AttemptOutcome>({ _tag: "Completed", outputs: {} }),
    onFailure: (cause) => {
      const failure = Option.getOrUndefined(Cause.failureOption(cause))
      const late = failure instanceof TimedOut
      const message = `${what}: ${late ? failure.message : describe(Cause.squash(cause))}`
      const error = late || failure === undefined ? undefined : { value: failure }
      return retried(site, policy.retry, late ? "timeout" : "defect", message, error)
    }
  })
}

const inTime = <A, E>(work: Effect.Effect<A, E>, { timeout }: CompensationPolicy): Effect.Effect<A, E | TimedOut> =>
  timeout === undefined
    ? work
    : Effect.timeoutFail(work, {
        duration: timeout,
        onTimeout: () => new TimedOut("it took longer than its time-out")
      })

type Values = Record<string, unknown>

const wrong = (name: string, { message, path }: Refusal): string => `${fieldName(name, path)}: ${message}`

const decodeInputs = (codec: NodeCodec, record: UndoRecord): Either.Either<Values, string> =>
  Either.all(
    Object.fromEntries(
      [...codec.inputs].flatMap(([name, { decode }]) => {
        const given = record.inputs[name]
        const mode = codec.definition.inputs[name]?.mode
        // What came as a stream was never taken by the firing itself.
        if (mode === "stream") return []
        const value = mode === "all" && Array.isArray(given) ? Either.all(given.map(decode)) : decode(given)
        return [[name, Either.mapLeft(value, (refusal) => wrong(name, refusal))] as const]
      })
    )
  )

const decodeOutputs = (codec: NodeCodec, { outputs }: UndoRecord): Either.Either<Option.Option<Values>, string> => {
  if (outputs === null) return Either.right(Option.none())
  const values = [...codec.outputs].map(([name, { decode }]) => {
    const given = Either.all((outputs[name] ?? []).map(decode))
    const { mode } = codec.definition.outputs[name]!
    return [name, Either.mapBoth(given, { onLeft: (refusal) => wrong(name, refusal), onRight: asGiven(mode) })] as const
  })
  return Either.map(Either.all(Object.fromEntries(values)), Option.some)
}

/** As the handler has returned it. */
const asGiven =
  (mode: OutputMode) =>
  (values: ReadonlyArray<unknown>): unknown =>
    mode === "many" ? values : values[0]
