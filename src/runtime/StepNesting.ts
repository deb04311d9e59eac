import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type { AnySchema } from "../definition/Input.js"
import type { RunCall, StepHost, StepName } from "../definition/StepHost.js"

/** The steps around a step. */
type Surrounding = Pick<
  StepHost,
  "heartbeat" | "lastCheckpoint" | "lastBeatAt" | "lastHeartbeat" | "publish" | "refuse" | "restedAt"
>

/** Steps as they are inside a step: signs of life and answers only. */
export class NestedSteps implements StepHost {
  constructor(
    private readonly around: Surrounding,
    private readonly name: string
  ) {}

  run(call: RunCall): Effect.Effect<never> {
    return this.refuseHere(call)
  }

  sleep(step: StepName): Effect.Effect<never> {
    return this.refuseHere(step)
  }

  signal(step: StepName): Effect.Effect<never> {
    return this.refuseHere(step)
  }

  checkpoint(): Effect.Effect<never> {
    return this.refuseHere({ name: "checkpoint", key: "" })
  }

  lastCheckpoint(schema: AnySchema): Effect.Effect<Option.Option<unknown>> {
    return this.around.lastCheckpoint(schema)
  }

  get lastBeatAt(): number {
    return this.around.lastBeatAt
  }

  get restedAt(): number {
    return this.around.restedAt
  }

  child(step: StepName): Effect.Effect<never> {
    return this.refuseHere(step)
  }

  heartbeat(schema: AnySchema, details: unknown): Effect.Effect<void> {
    return this.around.heartbeat(schema, details)
  }

  lastHeartbeat(schema: AnySchema): Effect.Effect<Option.Option<unknown>> {
    return this.around.lastHeartbeat(schema)
  }

  publish(name: string, schema: AnySchema, value: unknown): Effect.Effect<void> {
    return this.around.publish(name, schema, value)
  }

  refuse(step: string, reason: string): Effect.Effect<never> {
    return this.around.refuse(step, reason)
  }

  private refuseHere(step: StepName): Effect.Effect<never> {
    return this.around.refuse(step.name, `it is inside step ${this.name}`)
  }
}
