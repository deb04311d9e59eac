import { DateTime, Effect, Layer, Schema } from "effect"
import { Engine, Node, Perdure, Step, Workflow } from "perdure"

class NotYet extends Schema.TaggedError<NotYet>()("NotYet", {}) {}

const Remind = Node.make("remind", { inputs: { who: Schema.String }, outputs: { text: Schema.String }, error: NotYet })

const Reminder = Workflow.make("reminder", { version: 1, input: { who: Schema.String } })
  .node("remind", Remind, ({ input }) => ({ who: input.who }))
  .output(({ remind }) => ({ text: remind.text }))

const Wait = Node.make("wait", { inputs: { who: Schema.String }, outputs: { who: Schema.String } })

const Patient = Workflow.make("patient", { version: 1, input: { who: Schema.String } })
  .node("wait", Wait, ({ input }) => ({ who: input.who }))
  .output(({ wait }) => ({ who: wait.who }))

let ready = false

const App = Layer.merge(Reminder.layer, Patient.layer).pipe(
  Layer.provide(
    Remind.toLayer(({ who }) => (ready ? Effect.succeed({ text: `Remember, ${who}` }) : Effect.fail(new NotYet())))
  ),
  Layer.provide(Wait.toLayer(({ who }) => Effect.as(Step.sleep("a day", "1 day"), { who }))),
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

  const never = { startAt: DateTime.add(now, { hours: 1 }) }
  yield* engine.start(Reminder, { who: "Bob" }, { runId: "reminder-2", ...never })
  yield* engine.cancel("reminder-2")
  yield* Effect.log((yield* engine.awaitEnd("reminder-2")).status) // cancelled: it will not start any more

  const soon = { deadline: DateTime.add(yield* DateTime.now, { seconds: 1 }) }
  yield* engine.start(Patient, { who: "Eve" }, { runId: "patient-1", ...soon })
  const late = yield* Effect.flip(engine.await(Patient, "patient-1"))
  yield* Effect.log(late.message) // its deadline has passed
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
