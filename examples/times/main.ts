import { DateTime, Effect, Layer, Schema } from "effect"
import { Engine, Node, Perdure, Workflow } from "perdure"

class NotYet extends Schema.TaggedError<NotYet>()("NotYet", {}) {}

const Remind = Node.make("remind", { inputs: { who: Schema.String }, outputs: { text: Schema.String }, error: NotYet })

const Reminder = Workflow.make("reminder", { version: 1, input: { who: Schema.String } })
  .node("remind", Remind, ({ input }) => ({ who: input.who }))
  .output(({ remind }) => ({ text: remind.text }))

let ready = false

const App = Reminder.layer.pipe(
  Layer.provide(
    Remind.toLayer(({ who }) => (ready ? Effect.succeed({ text: `Remember, ${who}` }) : Effect.fail(new NotYet())))
  ),
  Layer.provideMerge(Perdure.layerEngine()),
  Layer.provide(Perdure.layerEmbedded())
)

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const now = yield* DateTime.now
  const times = { startAt: DateTime.add(now, { seconds: 3 }), deadline: DateTime.add(now, { hours: 1 }) }
  const { runId, status } = yield* engine.start(Reminder, { who: "Ada" }, { runId: "reminder-1", ...times })
  yield* Effect.log(status) // suspended: nothing of it starts before its time
  yield* engine.pause(runId)
  const paused = Effect.repeat(engine.get(runId), { until: (run) => run.status === "paused" })
  yield* Effect.log((yield* paused).status) // paused: nothing of it starts at all
  yield* engine.resume(runId)
  yield* Effect.log((yield* engine.awaitEnd(runId)).status) // failed
  ready = true
  yield* engine.retry(runId)
  const completed = Effect.repeat(engine.get(runId), { until: (run) => run.status === "completed" })
  yield* Effect.log((yield* completed).output)
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
