import * as Schema from "effect/Schema"

/**
 * The name of a run: chosen by the caller (then starting again with it is idempotent) or generated.
 *
 * **Details** 1 to 200 characters out of letters, digits and `. _ : ~ @ + = -`, so that it is safe in a URL, a log line
 * and a file name.
 */
export const RunId = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z0-9._:~@+=-]{1,200}$/, {
    message: () => "expected 1 to 200 characters out of letters, digits and . _ : ~ @ + = -"
  }),
  Schema.brand("RunId")
)
export type RunId = typeof RunId.Type

/**
 * The name of one use of a node in one workflow, also used for workflow names, handles and ports.
 *
 * **Details** A letter or underscore, then up to 99 letters, digits, `_` or `-`. `input` and `output` are reserved.
 */
export const Name = Schema.String.pipe(
  Schema.pattern(/^[A-Za-z_][A-Za-z0-9_-]{0,99}$/, {
    message: () => "expected a letter or _ and then up to 99 letters, digits, _ or -"
  })
)

/**
 * The idempotency key of an external event for one node of one run.
 *
 * **Details** 1 to 200 characters without control characters and lone surrogates.
 */
export const InputId = Schema.String.pipe(
  Schema.filter(
    (value) =>
      (value.length >= 1 && value.length <= 200 && !hasControlCharacter(value) && value.isWellFormed()) ||
      "expected 1 to 200 characters without control characters and lone surrogates"
  ),
  Schema.brand("InputId")
)
export type InputId = typeof InputId.Type

/**
 * One life of a worker process: a fresh UUID at each registration, so a reused worker name is never the same holder.
 */
export const Incarnation = Schema.UUID.pipe(Schema.brand("Incarnation"))
export type Incarnation = typeof Incarnation.Type

/** A workflow definition as rows know it. */
export interface DefinitionKey {
  readonly workflow: string
  readonly workflowVersion: number
}

/** One firing of one run: the key of its row and the stem of its idempotency key. */
export interface FiringKey {
  readonly runId: RunId
  readonly nodeId: string
  readonly firing: number
}

/**
 * The idempotency key a handler passes to the outside world: the same for every attempt of a firing, in every process.
 */
export const idempotencyKey = (key: FiringKey): string => `${key.runId}/${key.nodeId}/${key.firing}`

/** With what the names of the engine's own signals begin. */
const ownSignals = "$"

/** Whether a text can be an input id, the name of a step or its key. */
export const isInputId = Schema.is(InputId)

/** The idempotency key of one step of a firing. */
export const stepKey = (firing: string, step: { readonly name: string; readonly key: string }): string =>
  step.key === "" ? `${firing}/${step.name}` : `${firing}/${step.name}/${step.key}`

/**
 * The name of a signal: as an input id, but with no `$` at its beginning, which the engine's own signals have.
 */
export const SignalName = InputId.pipe(
  Schema.filter((name) => !name.startsWith(ownSignals) || "names that begin with $ are the engine's own")
)

/** By what signal the end of a child is told to the step that waits for it. */
export const childSignal = (childId: string): string => `${ownSignals}${childId}`

const hasControlCharacter = (value: string): boolean => {
  for (let i = 0; i < value.length; i++) {
    const code = value.charCodeAt(i)
    if (code < 0x20 || code === 0x7f) return true
  }
  return false
}
