import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { expect, it } from "vitest"
import * as Input from "../../src/definition/Input.js"
import * as Node from "../../src/definition/Node.js"
import * as Output from "../../src/definition/Output.js"
import * as Step from "../../src/definition/Step.js"
import * as Workflow from "../../src/definition/Workflow.js"
import { SecretText, secret, watched } from "./canary.js"

const { String: S } = Schema

class Jammed extends Schema.TaggedError<Jammed>()("Jammed", { bolt: Schema.Int, combination: SecretText }) {}

const jammed = (place: string) => new Jammed({ bolt: 3, combination: secret(place) })

const input = { key: SecretText, how: S }

/** A child with secrets in its input, its output and its error. */
const Open = Node.make("open", { inputs: input, outputs: { gold: SecretText }, error: Jammed })
const Vault = Workflow.make("vault", { version: 1, input })
  .node("open", Open, ({ input }) => input)
  .output(({ open }) => ({ gold: open.gold }))
const open = Open.toLayer(({ how, key }) =>
  how === "child"
    ? Effect.fail(jammed("child-error"))
    : Effect.as(Effect.logInfo("opens", key), { gold: secret("gold") })
)

/** A parent by a node, and one by a step that tells what it got. */
const Robbing = Workflow.make("robbing", { version: 1, input })
  .node("vault", Node.child("vault", Vault), ({ input }) => input)
  .output(({ vault }) => ({ gold: vault.gold }))
const Ask = Node.make("ask", { inputs: input, outputs: { gold: SecretText }, error: Node.ChildFailure })
const Asking = Workflow.make("asking", { version: 1, input })
  .node("ask", Ask, ({ input }) => input)
  .output(({ ask }) => ({ gold: ask.gold }))
const ask = Ask.toLayer((inputs) =>
  Step.child("vault", Vault, inputs).pipe(
    Effect.tapError((failed) => Effect.logWarning("the vault", failed, { failed }))
  )
)

/** What is undone, with secrets in what it took and gave, and in how undoing fails. */
const Hide = Node.make("hide", {
  inputs: input,
  outputs: { place: SecretText, how: S },
  compensate: { retry: { times: 1, schedule: Schedule.spaced("1 millis") } }
})
const Flee = Node.make("flee", { inputs: { place: SecretText, how: S }, outputs: {}, error: Jammed })
const Hiding = Workflow.make("hiding", { version: 1, input })
  .node("hide", Hide, ({ input }) => input)
  .node("flee", Flee, ({ hide }) => hide)
  .output(({ hide }) => ({ place: hide.place }))
let tries = 0
const hide = Hide.toLayer(
  ({ how }) => Effect.succeed({ place: secret("place"), how }),
  (inputs, outputs) =>
    Effect.gen(function* () {
      yield* Effect.logInfo("undoes", inputs, Option.getOrUndefined(outputs))
      if (inputs.how === "undo") return yield* Effect.die(jammed("undo-defect"))
      if (tries++ === 0) return yield* jammed("undo-error")
    })
)

/** Elements, state and signs of life that are secret. */
const Give = Node.make("give", { inputs: input, outputs: { coin: Output.many(SecretText) } })
const Take = Node.make("take", { inputs: { coin: Input.stream(SecretText) }, outputs: { last: SecretText } })
const Giving = Workflow.make("giving", { version: 1, input })
  .node("give", Give, ({ input }) => input)
  .node("take", Take, ({ give }) => ({ coin: give.coin }))
  .output(({ take }) => ({ last: take.last }))
const give = Give.toLayer(({ how }) =>
  Effect.gen(function* () {
    yield* Step.heartbeat(SecretText, secret("heartbeat"))
    const coins = [secret("coin-1"), how === "element" ? Redacted.make("canary-") : secret("coin-2")]
    return { coin: Stream.fromIterable(coins) }
  })
)
const take = Take.toLayer(({ coin }) =>
  Effect.gen(function* () {
    const last = yield* Stream.runFoldEffect(coin, secret("none"), (_, next) =>
      Effect.as(Step.checkpoint(SecretText, secret("checkpoint")), next)
    )
    yield* Effect.logInfo("took", last)
    return { last }
  })
)

const workflows = Layer.mergeAll(
  Vault.layer.pipe(Layer.provide(open)),
  Robbing.layer,
  Asking.layer.pipe(Layer.provide(ask)),
  Hiding.layer.pipe(
    Layer.provide([hide, Flee.toLayer(({ how }) => (how === "ok" ? Effect.succeed({}) : jammed("flee-error")))])
  ),
  Giving.layer.pipe(Layer.provide([give, take]))
)

it("a secret of a child, a compensation or a stream is seen nowhere, however they end", () =>
  Effect.gen(function* () {
    const { client, isSilent, lookAt, seen } = yield* watched(workflows)
    const ends: ReadonlyArray<readonly [Workflow.Any, string, string]> = [
      [Robbing, "ok", "completed"],
      [Robbing, "child", "failed"],
      [Asking, "ok", "completed"],
      [Asking, "child", "failed"],
      [Hiding, "ok", "completed"],
      [Hiding, "error", "compensated"],
      [Hiding, "undo", "failed"],
      [Giving, "ok", "completed"],
      [Giving, "element", "failed"]
    ]
    for (const [workflow, how, status] of ends) {
      const runId = `${workflow.name}-${how}`
      yield* client.start(workflow, { key: secret("key"), how }, { runId })
      expect({ runId, status: (yield* client.awaitEnd(runId)).status }).toEqual({ runId, status })
    }
    const failed = yield* Effect.flip(client.await(Asking, "asking-child"))
    if (failed._tag !== "RunFailed" || failed.error?._tag !== "RunFailed") return expect.fail(failed.message)
    expect((yield* Workflow.failed(Vault, failed.error)).error).toEqual(jammed("child-error"))
    const { runs } = yield* client.list({ limit: 50 })
    expect(runs.length).toBe(ends.length + 4)
    yield* lookAt(runs.map(({ runId }) => runId))
    yield* isSilent
    const logs = seen.logs.join()
    for (const told of ["the vault", "undoes", "took", "opens", "3"]) expect(logs).toContain(told)
    expect(seen.answers.find((line) => line.startsWith("/api/runs/robbing-child 200"))).toContain(
      '"error":"<redacted>"'
    )
  }).pipe(Effect.scoped, Effect.runPromise))
