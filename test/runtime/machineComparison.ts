import assert from "node:assert/strict"
import type { TakenInputs } from "../../src/model/Firing.js"
import { externalHandle } from "../../src/model/Message.js"
import type { Harness } from "./machineHarness.js"
import { type Item, type Meaning, meaningOf, type Takes } from "./machineOracle.js"
import { messageKey, type Tables } from "./machineRows.js"

/** What a run came to, without what may differ from schedule to schedule: numbers of commits, crashes, waits. */
export const outcomeOf = ({ graph, tables }: Harness): unknown => ({
  status: tables.row.status,
  output: tables.output,
  firings: graph.nodes.map(({ id, resumable }) =>
    tables.firingsOf(id).map(({ attempt, emitted, failure, firing, inputs, state, status }) => ({
      key: `${id}/${firing}`,
      status,
      attempt,
      emitted,
      failure,
      state,
      inputs: resumable ? withoutEvent(inputs) : inputs
    }))
  ),
  messages: tables
    .allMessages()
    .filter(({ handle }) => handle !== externalHandle)
    .map(({ content, discarded, ...ref }) => [messageKey(ref), content, discarded] as const)
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
})

const withoutEvent = ({ [externalHandle]: _, ...inputs }: TakenInputs): TakenInputs => inputs

/** Compares a run that can't go on with what its graph means. */
export const checkMeaning = (harness: Harness): Meaning => {
  const { graph, rule, tables } = harness
  const meaning = meaningOf(graph, rule, {
    input: {},
    events: (nodeId) =>
      tables.messagesOn(nodeId, externalHandle).map(({ content }) => (content._tag === "Live" ? content.value : null)),
    merged: (nodeId, handle) =>
      tables.firingsOf(nodeId).flatMap(({ inputs }) => {
        const input = inputs[handle]
        if (input === undefined || !("ref" in input)) return []
        const [producer, firing, ordinal] = input.ref
        return [{ producer, firing, ordinal }]
      })
  })
  assert.equal(tables.row.status, meaning.status, "the run ends as its graph says")
  if (meaning.status === "failed") return meaning
  assert.deepEqual(tables.output === null ? undefined : JSON.parse(tables.output), meaning.output, "output")
  for (const { id } of graph.nodes) {
    const took = tables.firingsOf(id).map(({ inputs, status }) => ({ status, takes: takenRefs(inputs) }))
    const meant = meaning.firings.get(id)!.map(({ status, takes }) => ({ status, takes: meantRefs(takes) }))
    assert.deepEqual(took, meant, `firings of ${id}: each has taken what it had to`)
    checkHandles(tables, meaning, id)
  }
  return meaning
}

/** Values and order of what stands on the handles of a node; merges keep the order of each producer. */
const checkHandles = (tables: Tables, meaning: Meaning, nodeId: string): void => {
  const plan = tables.plan.byId.get(nodeId)!
  for (const handle of plan.handles) {
    if (handle.name === externalHandle) continue
    const rows = tables.messagesOn(nodeId, handle.name)
    for (const { producer } of handle.edges) {
      const stored = rows
        .filter((row) => row.producer === producer)
        .map(({ content, firing, ordinal }) => ({
          ...{ producer, firing, ordinal },
          ...(content._tag === "Live" ? { value: content.value } : {})
        }))
        .sort((a, b) => a.firing - b.firing || a.ordinal - b.ordinal)
      const meant = meaning.items.get(producer)!
      // What stands beyond a firing that still waits is no part of the meaning yet.
      assert.deepEqual(stored.slice(0, meant.length), meant, `${producer} into ${nodeId}.${handle.name}`)
      if (handle.mode !== "one") continue
      const order = tables.firingsOf(nodeId).flatMap(({ inputs }) => {
        const input = inputs[handle.name]
        return input !== undefined && "ref" in input && input.ref[0] === producer ? [input.ref.slice(1)] : []
      })
      const live = meant
        .filter((item) => !handle.liveOnly || "value" in item)
        .map((item) => [item.firing, item.ordinal])
      assert.deepEqual(order, live.slice(0, order.length), `${nodeId}.${handle.name} takes ${producer} in order`)
    }
    for (const row of rows) {
      const lost = handle.liveOnly && row.content._tag === "Tombstone"
      const taken = handle.mode === "one" ? isTaken(tables, row) : tables.firingsOf(nodeId).length > 0
      const left = handle.mode !== "shared" && meaning.ended.has(nodeId) && !taken
      assert.equal(row.discarded, lost || left, `whether ${messageKey(row)} is discarded`)
    }
  }
}

const isTaken = (tables: Tables, row: Parameters<typeof messageKey>[0]): boolean =>
  tables.firingsOf(row.nodeId).some(({ inputs }) => {
    const input = inputs[row.handle]
    return input !== undefined && "ref" in input && input.ref.join() === [row.producer, row.firing, row.ordinal].join()
  })

const takenRefs = (inputs: TakenInputs): unknown =>
  sortedEntries(withoutEvent(inputs), (input) => {
    if ("ref" in input) return input.ref
    return "all" in input ? input.all : input.read
  })

const meantRefs = (takes: Takes): unknown =>
  sortedEntries(takes, (taken) => (isItem(taken) ? [taken.producer, taken.firing, taken.ordinal] : taken.length))

const isItem = (taken: Item | ReadonlyArray<Item>): taken is Item => "producer" in taken

const sortedEntries = <A>(record: { readonly [key: string]: A | undefined }, show: (value: A) => unknown): unknown =>
  Object.entries(record)
    .flatMap(([key, value]) => (value === undefined ? [] : [[key, show(value)] as const]))
    .sort(([a], [b]) => (a < b ? -1 : Number(a > b)))
