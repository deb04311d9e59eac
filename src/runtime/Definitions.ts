import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as HashMap from "effect/HashMap"
import * as Layer from "effect/Layer"
import { difference } from "../definition/Difference.js"
import type { Graph } from "../definition/Graph.js"
import type { Handling } from "../definition/Handler.js"
import { Registry } from "../definition/Registry.js"
import type { WorkflowDefinition } from "../definition/WorkflowDefinition.js"
import { DefinitionConflict, WorkflowNotFound } from "../model/Errors.js"
import type { DefinitionKey } from "../model/Ids.js"
import { Transactor } from "../store/Transactor.js"
import { Workers } from "../store/Workers.js"
import { compileNode, type NodeCodec } from "./Codec.js"
import { compilePlan, type Plan } from "./Plan.js"
import { Settings, type SettingsShape } from "./Settings.js"

/** A definition this process can execute, compiled. */
export interface Registered {
  readonly key: DefinitionKey
  readonly definition: WorkflowDefinition
  readonly plan: Plan
  /** By index of the plan's nodes; the pseudo nodes have none. */
  readonly codecs: ReadonlyArray<NodeCodec | undefined>
  readonly handlers: ReadonlyArray<Handling | undefined>
  /** What every log line of a node's firings bears. */
  readonly words: ReadonlyArray<HashMap.HashMap<string, unknown>>
}

/** The definitions registered in this process. */
export class Definitions extends Context.Tag("perdure/Definitions")<
  Definitions,
  {
    readonly all: () => ReadonlyArray<Registered>
    readonly keys: () => ReadonlyArray<DefinitionKey>
    readonly find: (workflow: string, version: number) => Registered | undefined
    /** The version asked for, or the highest. */
    readonly resolve: (workflow: string, version?: number) => Effect.Effect<Registered, WorkflowNotFound>
    /** Is called after each registration. */
    readonly onRegistered: (call: (registered: Registered) => Effect.Effect<void>) => void
    /** Is called when a registration ends, while the handlers' own resources are still there. */
    readonly onLeaving: (call: (registered: Registered) => Effect.Effect<void>) => void
  }
>() {}

const keyOf = (workflow: string, version: number): string => `${workflow}@${version}`

const compile = (
  definition: WorkflowDefinition,
  handlers: ReadonlyMap<string, Handling>,
  { childFanOut, workerId }: Pick<SettingsShape, "childFanOut" | "workerId">
): Registered => {
  const plan = compilePlan(definition.graph, definition.nodes, childFanOut)
  return {
    key: { workflow: definition.name, workflowVersion: definition.version },
    definition,
    plan,
    codecs: plan.nodes.map((node) => {
      const found = definition.nodes.get(node.id)
      return found === undefined ? undefined : compileNode(found)
    }),
    handlers: plan.nodes.map((node) => handlers.get(node.id)),
    words: plan.nodes.map((node) => HashMap.make(["nodeId", node.id], ["workerId", workerId]))
  }
}

const make = Effect.gen(function* () {
  const transactor = yield* Transactor
  const workers = yield* Workers
  const settings = yield* Settings
  const known = new Map<string, Registered>()
  const calls: Array<(registered: Registered) => Effect.Effect<void>> = []
  const leaving: Array<(registered: Registered) => Effect.Effect<void>> = []

  const register = (definition: WorkflowDefinition, handlers: ReadonlyMap<string, Handling>) =>
    Effect.gen(function* () {
      const mine = {
        workflow: definition.name,
        workflowVersion: definition.version,
        hash: definition.hash,
        graph: JSON.stringify(definition.graph)
      }
      const stored = yield* transactor
        .transact("define", workers.define([mine]))
        .pipe(Effect.catchTag("UndecodableRow", (error) => Effect.die(error)))
      const theirs = stored[0]
      if (theirs !== undefined && theirs.hash !== definition.hash) {
        return yield* new DefinitionConflict({
          workflow: definition.name,
          version: definition.version,
          difference: difference(JSON.parse(theirs.graph) as Graph, definition.graph)
        })
      }
      const registered = compile(definition, handlers, settings)
      const key = keyOf(definition.name, definition.version)
      known.set(key, registered)
      yield* Effect.addFinalizer(() =>
        Effect.suspend(() => {
          known.delete(key)
          return Effect.forEach(leaving, (call) => call(registered), { discard: true })
        })
      )
      yield* Effect.forEach(calls, (call) => call(registered), { discard: true })
    })

  const find = (workflow: string, version: number) => known.get(keyOf(workflow, version))
  const resolve = (workflow: string, version?: number) => {
    const candidates = [...known.values()]
      .filter(
        (each) => each.key.workflow === workflow && (version === undefined || each.key.workflowVersion === version)
      )
      .sort((a, b) => b.key.workflowVersion - a.key.workflowVersion)
    const [best] = candidates
    return best === undefined
      ? Effect.fail(new WorkflowNotFound({ workflow, ...(version === undefined ? {} : { version }) }))
      : Effect.succeed(best)
  }
  return {
    register,
    find,
    resolve,
    all: () => [...known.values()],
    keys: () => [...known.values()].map((r) => r.key),
    calls,
    leaving
  }
})

/** The definitions of this process, and the registry workflows put themselves into. */
export const layer: Layer.Layer<Definitions | Registry, never, Transactor | Workers> = Layer.effectContext(
  Effect.map(make, ({ calls, leaving, register, ...definitions }) =>
    Context.make(Registry, { register }).pipe(
      Context.add(Definitions, {
        ...definitions,
        onRegistered: (call) => calls.push(call),
        onLeaving: (call) => leaving.push(call)
      })
    )
  )
)
