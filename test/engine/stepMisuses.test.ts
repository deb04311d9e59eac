import { expect } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type { NodeContext } from "../../src/definition/NodeContext.js"
import * as Query from "../../src/definition/Query.js"
import * as Signal from "../../src/definition/Signal.js"
import * as Step from "../../src/definition/Step.js"
import { Approved } from "./fixtures.js"
import { Decision, Progress, Stepped, stepped } from "./stepFixtures.js"
import { scenario } from "./world.js"

const { Number: N } = Schema

/** A signal of the same name, which carries something else. */
const Other = Signal.make(Decision.name, { payload: N })

const failureOf = (failure: string | null): { readonly kind: string; readonly message: string } =>
  JSON.parse(failure ?? "{}")

const misuses: Readonly<Record<string, readonly [Effect.Effect<unknown, never, NodeContext>, string]>> = {
  "two steps of one name": [
    Effect.zipRight(Step.run("twice", {}, Effect.void), Step.run("twice", {}, Effect.void)),
    "the attempt has a step under this name"
  ],
  "two steps of one name and key": [
    Effect.zipRight(Step.run("twice", { key: "k" }, Effect.void), Step.run("twice", { key: "k" }, Effect.void)),
    "the attempt has a step under the key k"
  ],
  "a step in a finalizer": [
    Effect.ensuring(Effect.void, Step.run("cleanup", {}, Effect.void)),
    "a step can't be in a finalizer"
  ],
  "a step in a finalizer, caught": [
    Effect.exit(Effect.ensuring(Effect.void, Step.run("cleanup", {}, Effect.void))),
    "a step can't be in a finalizer"
  ],
  "an answer to a query in a finalizer": [
    Effect.ensuring(Effect.void, Step.publish(Progress, 1)),
    "a step can't be in a finalizer"
  ],
  "a checkpoint in a finalizer": [
    Effect.ensuring(Effect.void, Step.checkpoint(N, 1)),
    "a step can't be in a finalizer"
  ],
  "a step in a step": [Step.run("outer", {}, Step.run("inner", {}, Effect.void)), "it is inside step outer"],
  "a wait in a step": [Step.run("outer", {}, Step.sleep("inner", "1 hour")), "it is inside step outer"],
  "a child in a step": [
    Step.run("outer", {}, Effect.orDie(Effect.asVoid(Step.child("inner", Approved, { n: 1 })))),
    "it is inside step outer"
  ],
  "a signal in a step": [Step.run("outer", {}, Effect.asVoid(Step.awaitSignal(Decision))), "it is inside step outer"],
  "a checkpoint in a step": [Step.run("outer", {}, Step.checkpoint(N, 1)), "it is inside step outer"],
  "two waits for one signal without a key": [
    Effect.all([Step.awaitSignal(Decision), Step.awaitSignal(Decision)], { concurrency: 2 }),
    "the attempt has a step under this name"
  ],
  "two different signals of one name": [
    Effect.all([Step.awaitSignal(Decision), Step.awaitSignal(Other, { key: "other" })], { concurrency: 2 }),
    "another signal of this node has this name"
  ],
  "a wait for a signal of the engine's own": [
    Step.awaitSignal(Signal.make("$child", { payload: N })),
    "this is no name of a signal"
  ],
  "two children of one name and key": [
    Effect.orDie(
      Effect.all([Step.child("one", Approved, { n: 1 }), Step.child("one", Approved, { n: 2 })], { concurrency: 2 })
    ),
    "the attempt has a step under this name"
  ],
  "a wait in a region that can't be interrupted": [
    Effect.uninterruptible(Step.sleep("long", "1 hour")),
    "a step can't be in a finalizer or in another region that can't be interrupted"
  ],
  "a step that is tried again by chance": [
    Step.run("draw", { retry: { times: 1, schedule: Schedule.jittered(Schedule.spaced("1 second")) } }, Effect.void),
    "its pauses depend on more than the number of attempts"
  ],
  "a query without a name": [
    Step.publish(Query.make("", { success: N }), 1),
    "its name has to be 1 to 200 characters without control characters"
  ],
  "a step without a name": [Step.run("", {}, Effect.void), "have to be 1 to 200 characters"]
}

for (const [name, [misuse, message]] of Object.entries(misuses)) {
  scenario(`${name} fails the firing at once, and says so`, (world) =>
    Effect.gen(function* () {
      const { engine } = yield* world.start({ workflows: stepped(() => Effect.as(misuse, "done")) })
      yield* engine.start(Stepped, { n: 1 }, { runId: "a" })
      const { failure } = yield* engine.awaitEnd("a")
      expect(failureOf(failure)).toMatchObject({ kind: "defect", attempt: 1 })
      expect(failureOf(failure).message).toContain(message)
    })
  )
}
