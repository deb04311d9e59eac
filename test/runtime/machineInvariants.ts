import assert from "node:assert/strict"
import type { InputMode } from "../../src/definition/Graph.js"
import type { FiringRow } from "../../src/model/Firing.js"
import { hasBit } from "../../src/model/Frontier.js"
import { compensationNode, externalHandle, type MessageRow } from "../../src/model/Message.js"
import type { RunCommit } from "../../src/model/Run.js"
import { isEnded, isFiringEnded } from "../../src/model/Status.js"
import type { PlanNode, PlanPort } from "../../src/runtime/Plan.js"
import { firingKey, messageKey, type Tables } from "./machineRows.js"

/** Checks what must hold of a run's rows after a commit; the names are those of the list of invariants. */
export const checkInvariants = (
  tables: Tables,
  commit: Omit<RunCommit, "fence">,
  streamed: ReadonlySet<string> = new Set()
): void => {
  const taken = checkConsumption(tables)
  if (tables.row.status === "completed") checkNothingLeft(tables, taken)
  for (const firing of commit.firings) if (isFiringEnded(firing.status)) checkEmission(tables, firing, streamed)
  checkProducers(commit, streamed)
  checkFrontier(tables)
  if (!isEnded(tables.row.status)) return
  for (const firing of tables.allFirings()) {
    assert.ok(isFiringEnded(firing.status), `S8: ${firingKey(firing)} is ${firing.status} in a run that ended`)
  }
}

/** S2, first half: a message is taken by one firing, and not if it is discarded. Gives what was taken. */
const checkConsumption = (tables: Tables): ReadonlySet<string> => {
  const taken = new Set<string>()
  for (const { firing, inputs, nodeId } of tables.allFirings()) {
    for (const [handle, input] of Object.entries(inputs)) {
      if (!("ref" in input)) continue
      const [producer, at, ordinal] = input.ref
      const ref = { nodeId, handle, producer, firing: at, ordinal }
      const key = messageKey(ref)
      const message = tables.message(ref)
      assert.ok(message !== undefined, `S2: ${nodeId}/${firing} took ${key}, which is not there`)
      if (handle !== compensationNode && mayRepeat(handleOf(tables, ref).mode)) continue
      assert.ok(!taken.has(key), `S2: ${key} is taken twice`)
      assert.ok(!message.discarded, `S2: ${key} is taken and discarded`)
      taken.add(key)
    }
  }
  return taken
}

/** S2, second half: in a completed run every message is consumed or discarded. */
const checkNothingLeft = (tables: Tables, taken: ReadonlySet<string>): void => {
  for (const message of tables.allMessages()) {
    if (message.handle === compensationNode) continue
    const key = messageKey(message)
    const { mode } = handleOf(tables, message)
    if (message.discarded || taken.has(key) || mayRepeat(mode)) continue
    const consumed = tookAll(tables, message) || tookEarlierEvent(tables, message) || wasRead(tables, message)
    assert.ok(consumed, `S2: ${key} is neither consumed nor discarded`)
  }
}

/** Whether a message may be given to several firings, or to none. */
const mayRepeat = (mode: InputMode): boolean => mode === "shared" || mode === "latest"

const tookAll = (tables: Tables, message: MessageRow): boolean =>
  handleOf(tables, message).mode === "all" && tookHandle(tables, message)

/** What has been read of a stream lies before where its reader has stopped. */
const wasRead = (tables: Tables, message: MessageRow): boolean =>
  tables.firingsOf(message.nodeId).some(({ inputs }) => {
    const input = inputs[message.handle]
    const [firing, ordinal] = (input !== undefined && "read" in input && input.read[message.producer]) || [0, 0]
    return message.firing < firing || (message.firing === firing && message.ordinal < ordinal)
  })

const tookHandle = (tables: Tables, message: MessageRow): boolean =>
  message.nodeId === "output" || tables.firingsOf(message.nodeId).some(({ inputs }) => message.handle in inputs)

/** A resumable firing takes one event after the other and its row tells the last; events are taken in order. */
const tookEarlierEvent = (tables: Tables, message: MessageRow): boolean =>
  message.handle === externalHandle &&
  tables.firingsOf(message.nodeId).some(({ inputs }) => {
    const input = inputs[externalHandle]
    return input !== undefined && "ref" in input && input.ref[1] > message.firing
  })

/** S3: what an ended firing emitted is what the inboxes of its targets got, and tombstones stand for the rest. */
const checkEmission = (tables: Tables, firing: FiringRow, streamed: ReadonlySet<string>): void => {
  const node = tables.plan.byId.get(firing.nodeId)!
  const silent = firing.status === "cancelled" || (firing.status === "failed" && !isHandled(node, firing))
  const ports = node.errorPort === undefined ? node.ports : [...node.ports, node.errorPort]
  for (const port of ports) {
    for (const target of port.targets) {
      const plan = tables.plan.nodes[target.node]!
      const got = tables
        .messagesOn(plan.id, plan.handles[target.handle]!.name)
        .filter((message) => message.producer === port.producer && message.firing === firing.firing)
      // What a stream had given when its firing failed stays, and nothing stands for the rest.
      const given = firing.status !== "completed" && streamed.has(`${port.producer}/${firing.firing}`)
      const what = got.map(({ content }) => (content._tag === "Live" ? "live" : content.cause))
      const meant = () => (silent ? [] : expected(node, port, firing))
      assert.deepEqual(what, given ? what.map(() => "live") : meant(), `S3: ${port.producer} of ${firingKey(firing)}`)
      const ordinals = got.map(({ ordinal }) => ordinal)
      assert.deepEqual(ordinals, [...ordinals.keys()], `S4: ordinals of ${port.producer} of ${firingKey(firing)}`)
    }
  }
}

/** Whether the failure of a firing was one that the graph goes on with. */
const isHandled = (node: PlanNode, { failure }: FiringRow): boolean =>
  node.errorPort !== undefined && "error" in JSON.parse(failure!)

const expected = (node: PlanNode, port: PlanPort, firing: FiringRow): ReadonlyArray<string> => {
  const isError = port === node.errorPort
  if (firing.status === "skipped") return ["skipped"]
  if (firing.status === "failed") return [isError ? "live" : "failed"]
  const count = isError ? 0 : firing.emitted![port.name]!
  if (count > 0) return Array.from({ length: count }, () => "live")
  return port.mode === "many" ? [] : ["not_taken"]
}

/** S4: a message appears in the commit that ends its producer's firing, or of a stream while it runs. */
const checkProducers = (commit: Omit<RunCommit, "fence">, streamed: ReadonlySet<string>): void => {
  const ended = new Set(commit.firings.filter(({ status }) => isFiringEnded(status)).map(firingKey))
  for (const message of commit.messages) {
    const [nodeId = ""] = message.producer.split(".")
    // What a firing has left to be undone is numbered by itself, and says of whom it is.
    if (message.handle === compensationNode) {
      const { firing, node } = JSON.parse(message.content._tag === "Live" ? message.content.text : "{}")
      assert.ok(ended.has(firingKey({ nodeId: node, firing })), `S4: ${messageKey(message)} of ${node}/${firing}`)
      continue
    }
    const outside = message.handle === externalHandle || (nodeId === "input" && commit.version === 1)
    const now = ended.has(firingKey({ nodeId, firing: message.firing }))
    assert.ok(outside || now || streamed.has(`${message.producer}/${message.firing}`), `S4: ${messageKey(message)}`)
  }
}

/** The frontier says nothing that firings don't. */
const checkFrontier = (tables: Tables): void => {
  const { ended, nodes, skipped } = tables.frontier
  for (const { id, index } of tables.plan.nodes) {
    const firings = tables.firingsOf(id)
    const open = firings.find(({ status }) => !isFiringEnded(status))
    const low = open?.firing ?? firings.length + 1
    const closed = firings.filter(({ status }) => isFiringEnded(status))
    const onlySkipped = low > 1 && closed.every(({ status }) => status === "skipped")
    assert.equal(hasBit(skipped, index), onlySkipped, `frontier: whether ${id} was skipped`)
    const entry = nodes[id]
    if (hasBit(ended, index)) {
      assert.ok(open === undefined && entry === undefined, `frontier: ${id} has ended`)
    } else if (entry === undefined) assert.equal(firings.length, 0, `frontier: ${id} is missing`)
    else assert.deepEqual([entry.next, entry.low], [firings.length + 1, low], `frontier: next and low of ${id}`)
  }
  for (const id of Object.keys(nodes)) assert.ok(tables.plan.byId.has(id), `frontier: no node ${id}`)
}

const handleOf = (tables: Tables, { handle, nodeId }: Pick<MessageRow, "nodeId" | "handle">) =>
  tables.plan.byId.get(nodeId)!.handles.find(({ name }) => name === handle)!
