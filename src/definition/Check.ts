import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import { Name, SignalName } from "../model/Ids.js"
import { errorPort, inputNode, outputNode } from "./Graph.js"
import type { NodeDefinition, RetryPolicy } from "./NodeDefinition.js"
import { scheduleIssues } from "./ScheduleCheck.js"

/** The greatest number a version, a concurrency or a count may be: what an `int` column holds. */
const greatest = 2_147_483_647

const isName = Schema.is(Name)
const isSignalName = Schema.is(SignalName)

/** What is wrong with a name; rows and URLs hold it, and `__proto__` would be lost as a key. */
export const nameIssues = (what: string, name: unknown): ReadonlyArray<string> => {
  if (isName(name) && name !== "__proto__") return []
  return [
    `${what}: ${JSON.stringify(name)} is no name; a name is a letter or _ and then up to 99 letters, digits, _ or -`
  ]
}

/** What is wrong with the id of a node in use. */
export const idIssues = (id: string): ReadonlyArray<string> =>
  id === inputNode || id === outputNode ? [`node id "${id}" is reserved`] : nameIssues("node id", id)

/** What is wrong with a number that counts something. */
export const countIssues = (what: string, value: number): ReadonlyArray<string> =>
  Number.isInteger(value) && value >= 1 && value <= greatest
    ? []
    : [`${what} must be a whole number from 1 to ${greatest}, not ${value}`]

/** Everything that is wrong with a node, wherever it is used. */
export const nodeIssues = (node: NodeDefinition): ReadonlyArray<string> => {
  const what = `node "${node.name}"`
  const { compensate, concurrency, heartbeat, repeated, retry, timeout, totalTimeout } = node
  return [
    ...nameIssues("node name", node.name),
    ...Object.keys(node.inputs).flatMap((handle) => nameIssues(`${what}, handle`, handle)),
    ...Object.keys(node.outputs).flatMap((port) =>
      port === errorPort
        ? [`${what}: the port "${errorPort}" is reserved for the typed error`]
        : nameIssues(`${what}, port`, port)
    ),
    ...latestIssues(what, node),
    ...streamIssues(what, node),
    ...(concurrency === null ? [] : countIssues(`${what}: concurrency`, concurrency)),
    ...(repeated === null ? [] : countIssues(`${what}: repeated`, repeated)),
    ...retryIssues(`${what}: retry`, retry),
    ...retryIssues(`${what}: compensate.retry`, compensate?.retry),
    ...lengthIssues(`${what}: timeout`, timeout),
    ...lengthIssues(`${what}: timeout.total`, totalTimeout),
    ...lengthIssues(`${what}: compensate.timeout`, compensate?.timeout),
    ...lengthIssues(`${what}: heartbeat`, heartbeat),
    ...(node.signals ?? []).flatMap((signal) => signalIssues(what, signal.name))
  ]
}

/** What is wrong with the name of a signal: rows hold it, and the ends of children are told by names of their own. */
const signalIssues = (what: string, name: string): ReadonlyArray<string> =>
  isSignalName(name)
    ? []
    : [
        `${what}: ${JSON.stringify(name)} is no name of a signal; it has 1 to 200 characters, no control characters and no $ at its beginning`
      ]

const retryIssues = (what: string, retry: RetryPolicy | undefined): ReadonlyArray<string> =>
  retry === undefined
    ? []
    : [
        ...(retry.times === 0 ? [] : countIssues(`${what}.times`, retry.times)),
        ...scheduleIssues(`${what}.schedule`, retry.schedule, retry.times)
      ]

const lengthIssues = (what: string, length: Duration.Duration | undefined): ReadonlyArray<string> =>
  length === undefined || Duration.greaterThan(length, Duration.zero) ? [] : [`${what} must be longer than nothing`]

/** What is wrong with `latest` handles beside others: what an aligned or a gathering handle takes is no newest value. */
const latestIssues = (what: string, { inputs, kind }: NodeDefinition): ReadonlyArray<string> => {
  const modes = new Set(Object.values(inputs).map(({ mode }) => mode))
  if (!modes.has("latest")) return []
  return [
    ...(kind === "trigger" ? [`${what}: a trigger can't have a latest handle`] : []),
    ...[...modes]
      .filter((mode) => mode !== "latest" && mode !== "shared")
      .map((mode) => `${what}: a latest handle can't stand beside one of mode ${mode}`)
  ]
}

/** What is wrong with `stream` handles beside others: a node that has one fires once, for all that comes. */
const streamIssues = (what: string, { inputs, kind, resumable }: NodeDefinition): ReadonlyArray<string> => {
  const modes = new Set(Object.values(inputs).map(({ mode }) => mode))
  if (!modes.has("stream")) return []
  return [
    ...(kind === "trigger" ? [`${what}: a trigger can't have a stream handle`] : []),
    ...(resumable ? [`${what}: a resumable node can't have a stream handle`] : []),
    // What came on it is not kept for the one who would undo it.
    ...[...modes]
      .filter((mode) => mode !== "stream" && mode !== "shared" && mode !== "latest")
      .map((mode) => `${what}: a stream handle can't stand beside one of mode ${mode}`)
  ]
}
