import type { InputMode, OutputMode } from "./Graph.js"
import { errorPort } from "./Graph.js"
import type { AnySchema } from "./Input.js"
import type { NodeDefinition } from "./NodeDefinition.js"
import { type AnyPort, makePort } from "./Port.js"

/** The ports that a step may be wired to, by node id and port. */
export type KnownPorts = { readonly [node: string]: { readonly [port: string]: AnyPort } }

/** What is wired into a handle; `merged` also holds for a list of one. */
export interface Wires {
  readonly mode: InputMode
  readonly ports: ReadonlyArray<AnyPort>
  readonly merged: boolean
}

/** One use of a node in a workflow. */
export interface Step {
  readonly id: string
  readonly node: NodeDefinition
  readonly wires: ReadonlyMap<string, Wires>
}

/** A wiring that was read: what fits, and what is wrong with the rest. */
export interface ReadWiring {
  readonly wires: ReadonlyMap<string, Wires>
  readonly issues: ReadonlyArray<string>
}

/** Reads what was wired into a node, as code without types may have written it. */
export const readWiring = (id: string, node: NodeDefinition, wiring: unknown, known: KnownPorts): ReadWiring => {
  const given = new Map(Object.entries(wiring ?? {}))
  const wires = new Map<string, Wires>()
  const issues = [...given.keys()]
    .filter((handle) => !Object.hasOwn(node.inputs, handle))
    .map((handle) => `node "${id}" has no handle "${handle}"`)
  for (const [handle, { mode }] of Object.entries(node.inputs)) {
    const wire: unknown = given.get(handle)
    const merged = Array.isArray(wire)
    const candidates: ReadonlyArray<unknown> = merged ? wire : [wire]
    const ports = candidates.filter((candidate) => isKnown(candidate, known))
    wires.set(handle, { mode, ports, merged })
    issues.push(...wireIssues(`node "${id}", handle "${handle}"`, given.has(handle), candidates, known))
    if (mode === "shared" && (merged || ports.some((port) => port.many))) {
      issues.push(`node "${id}", handle "${handle}": a shared handle takes one port with at most one message`)
    }
  }
  return { wires, issues }
}

/** What is wrong with the ports that were named as producers of one handle. */
export const wireIssues = (
  what: string,
  wired: boolean,
  candidates: ReadonlyArray<unknown>,
  known: KnownPorts
): ReadonlyArray<string> => {
  if (!wired) return [`${what}: nothing is wired to it`]
  if (candidates.length === 0) return [`${what}: needs at least one producer`]
  const refs = candidates.filter((candidate) => isKnown(candidate, known)).map(({ ref }) => `${ref.node}.${ref.port}`)
  return [
    ...candidates.filter((candidate) => !isKnown(candidate, known)).map(() => `${what}: not a port of an earlier step`),
    ...[...new Set(refs.filter((ref, index) => refs.indexOf(ref) !== index))].map(
      (ref) => `${what}: ${ref} is wired twice`
    )
  ]
}

/** A port is known by identity: one of another workflow, or of a later step, is not. */
const isKnown = (candidate: unknown, known: KnownPorts): candidate is AnyPort => {
  if (typeof candidate !== "object" || candidate === null || !("ref" in candidate)) return false
  const { node, port } = (candidate as AnyPort).ref
  return Object.hasOwn(known, node) && known[node]?.[port] === candidate
}

/** The ports of a workflow's input: each has exactly one message. */
export const inputPorts = (node: string, fields: { readonly [port: string]: AnySchema }): KnownPorts[string] =>
  Object.fromEntries(
    Object.entries(fields).map(([port, schema]) => [
      port,
      makePort({ ref: { node, port }, schema, sure: true, many: false })
    ])
  )

/** The ports of a step: the same rules as the types in `Port.ts`, for values. */
export const stepPorts = (step: Step): KnownPorts[string] => {
  const sure = surelyFires(step)
  const many = firesMany(step)
  const port = (name: string, schema: AnySchema, mode: OutputMode) =>
    makePort({
      ref: { node: step.id, port: name },
      schema,
      sure: mode === "one" && sure,
      many: mode === "many" || many
    })
  const { error, outputs } = step.node
  return Object.fromEntries([
    ...Object.entries(outputs).map(([name, { schema, mode }]) => [name, port(name, schema, mode)] as const),
    ...(error === undefined ? [] : [[errorPort, port(errorPort, error, "optional")] as const])
  ])
}

/** Whether a handle makes one firing of everything that comes. */
const gathers = (mode: InputMode): boolean => mode === "all" || mode === "stream"

const surelyFires = ({ wires }: Step): boolean =>
  [...wires.values()].every(({ mode, ports }) => gathers(mode) || ports.every((port) => port.sure))

const firesMany = ({ node, wires }: Step): boolean => {
  if (node.kind === "trigger") return node.repeated !== 1
  const handles = [...wires.values()].filter(({ mode }) => mode !== "shared")
  const getsMany = ({ merged, ports }: Wires) => merged || ports.some((port) => port.many)
  if (handles.some(({ mode }) => mode === "latest")) return handles.some(getsMany)
  return handles.length > 0 && handles.every((wires) => !gathers(wires.mode) && getsMany(wires))
}
