import assert from "node:assert/strict"
import type { FiringRow } from "../../src/model/Firing.js"
import { emptyFrontier, type Frontier } from "../../src/model/Frontier.js"
import { Incarnation, RunId } from "../../src/model/Ids.js"
import { comparePositions, type MessageRow } from "../../src/model/Message.js"
import type { CommandKind, RunCommit, RunRow } from "../../src/model/Run.js"
import { canMoveFiring, canMoveRun, type InputStatus, isEnded, isFiringEnded } from "../../src/model/Status.js"
import type { Plan } from "../../src/runtime/Plan.js"
import { pendingRanges, type RunRows } from "../../src/runtime/Rebuild.js"
import type { InboxMessage } from "../../src/store/Inbox.js"

export const runId = RunId.make("run-1")
const incarnation = Incarnation.make("00000000-0000-4000-8000-000000000001")

interface External {
  readonly nodeId: string
  readonly payload: string
  status: InputStatus
}

/**
 * The tables of one run in memory.
 *
 * **Details** `apply` refuses what the database or the invariants would refuse; what is read back went through JSON with
 * its keys in another order, as it does through `jsonb`.
 */
export class Tables {
  row: Omit<RunRow, "frontier"> = {
    runId,
    workflow: "random",
    workflowVersion: 1,
    status: "pending",
    version: 0,
    fence: 1,
    worker: incarnation,
    priority: 0,
    reason: null
  }
  frontier: Frontier = emptyFrontier
  output: string | null = null
  failure: string | null = null
  private readonly firings = new Map<string, Array<FiringRow>>()
  private readonly messages = new Map<string, Map<string, MessageRow>>()
  readonly inputs = new Map<string, External>()
  readonly commands = new Map<string, { readonly kind: CommandKind; status: InputStatus }>()
  private seq = 0

  constructor(readonly plan: Plan) {}

  /** Inserts an external event, as anybody may at any time. */
  deliver(nodeId: string, payload: string): string {
    const seq = String(++this.seq)
    this.inputs.set(seq, { nodeId, payload, status: "new" })
    return seq
  }

  /** Inserts a command. */
  request(kind: CommandKind): string {
    const seq = String(++this.seq)
    this.commands.set(seq, { kind, status: "new" })
    return seq
  }

  /** Writes a commit, or says which invariant forbids it. */
  apply(commit: Omit<RunCommit, "fence">): void {
    assert.equal(commit.version, this.row.version + 1, "a commit writes only over version - 1")
    assert.ok(!isEnded(this.row.status), `S10: nothing is written after the end (${this.row.status})`)
    assert.ok(canMoveRun(this.row.status, commit.status), `S10: ${this.row.status} to ${commit.status}`)
    assert.equal(commit.output !== null, commit.status === "completed", "an output comes with completion")
    const mayHaveFailed = commit.status === "failed" || commit.status === "compensated"
    assert.ok(commit.status !== "failed" || commit.failure !== null, "a failure comes with failing")
    assert.ok(commit.failure === null || mayHaveFailed, "no failure comes without")
    const changed = [...commit.firings, ...commit.started]
    assert.equal(new Set(changed.map(firingKey)).size, changed.length, "a firing stands once in a commit")
    for (const firing of changed) this.checkFiring(firing)
    for (const firing of commit.firings) this.write(throughJson(firing))
    this.checkStarted(commit)
    for (const message of commit.messages) this.append(message)
    for (const ref of commit.discarded) {
      const stored = this.message(ref)
      assert.ok(stored !== undefined && !stored.discarded, `${messageKey(ref)} can be discarded`)
      this.inbox(ref).set(messageKey(ref), { ...stored, discarded: true })
    }
    for (const range of commit.unread ?? []) {
      for (const message of this.messagesOn(range.nodeId, range.handle)) {
        const isLeft = message.producer === range.producer && comparePositions(message, range) >= 0
        if (isLeft) this.inbox(message).set(messageKey(message), { ...message, discarded: true })
      }
    }
    for (const { seq, status } of commit.applied) settle(this.inputs.get(seq), status, "S7: an input is applied once")
    for (const { seq, status } of commit.answered) settle(this.commands.get(seq), status, "a command is answered once")
    const { output, reason, status, version } = commit
    this.row = { ...this.row, status, version, reason, worker: isEnded(status) ? null : this.row.worker }
    this.frontier = throughJson(commit.frontier)
    for (const { nodeId } of changed) {
      const numbers = this.firingsOf(nodeId).map(({ firing }) => firing)
      assert.deepEqual(
        numbers,
        [...numbers.keys()].map((index) => index + 1),
        `S4: firings of ${nodeId} have no gap`
      )
    }
    this.output = output
    this.failure = commit.failure
  }

  /** What starts stands in the frontier or gets a row; the frontier tells of nothing else that has none. */
  private checkStarted(commit: Omit<RunCommit, "fence">): void {
    const told = new Map(startedIn(commit.frontier).map((firing) => [firingKey(firing), firing]))
    for (const firing of commit.started) assert.deepEqual(told.get(firingKey(firing)), firing)
    const known = new Set([...startedIn(this.frontier), ...commit.started].map(firingKey))
    const written = new Set(commit.firings.map(firingKey))
    for (const key of told.keys()) assert.ok(known.has(key) && !written.has(key), `${key} only goes on without a row`)
  }

  private checkFiring(firing: FiringRow): void {
    const key = firingKey(firing)
    const before = this.firingsOf(firing.nodeId)[firing.firing - 1]
    if (before === undefined) {
      assert.ok(
        ["scheduled", "running", "suspended", "skipped"].includes(firing.status),
        `${key} begins ${firing.status}`
      )
      assert.equal(firing.attempt, firing.status === "skipped" ? 0 : 1)
    } else {
      assert.ok(!isFiringEnded(before.status), `S1: ${key} was ${before.status} and is committed again`)
      assert.ok(canMoveFiring(before.status, firing.status), `${key} from ${before.status} to ${firing.status}`)
      assert.ok(firing.attempt === before.attempt || firing.attempt === before.attempt + 1, `S9: attempts of ${key}`)
      const streams = this.plan.byId.get(firing.nodeId)!.ports.some(({ mode }) => mode === "many")
      const progressed = firing.crashes === 0 && streams
      assert.ok(progressed || firing.crashes === before.crashes, `S9: crashes of ${key} are counted by a claim`)
      for (const [handle, input] of Object.entries(before.inputs)) {
        if (handle !== "$external") assert.deepEqual(firing.inputs[handle], input, `${key} keeps what it took`)
      }
    }
    assert.ok(firing.status !== "suspended" || firing.reason !== null, `${key} waits for a reason`)
    assert.equal(firing.status === "failed", firing.failure !== null, `${key}: failed and a failure`)
    assert.equal(firing.status === "completed", firing.emitted !== null, `${key}: completed and emitted`)
    assert.ok(firing.notBefore === null || ["scheduled", "suspended"].includes(firing.status), `${key} has a timer`)
  }

  private write(firing: FiringRow): void {
    const ofNode = this.firings.get(firing.nodeId) ?? []
    this.firings.set(firing.nodeId, ofNode)
    ofNode[firing.firing - 1] = firing
  }

  private append(message: MessageRow): void {
    const key = messageKey(message)
    assert.equal(this.message(message), undefined, `S4: ${key} is appended twice`)
    const { content } = message
    this.inbox(message).set(key, {
      ...message,
      content: content._tag === "Live" ? { ...content, value: JSON.parse(content.text) } : content
    })
  }

  /** Takes the run over from a dead process: what ran is scheduled again with a crash counted. */
  takeOver(): void {
    const { status } = this.row
    this.stopRunning(1)
    const recovering = status === "running" || status === "recovering"
    this.row = { ...this.row, fence: this.row.fence + 1, status: recovering ? "recovering" : status }
  }

  /** Claims the run again after it was given up in order. */
  claimAgain(): void {
    this.stopRunning(0)
    this.row = { ...this.row, fence: this.row.fence + 1 }
  }

  private stopRunning(crashes: number): void {
    for (const firing of this.allFirings()) {
      if (firing.status === "running") {
        this.write({ ...firing, status: "scheduled", crashes: firing.crashes + crashes })
      }
    }
  }

  /** What recovery reads: firings from each node's lowest open one on, and messages of the pending ranges. */
  read(): RunRows {
    const row: RunRow = { ...this.row, frontier: throughJson(this.frontier) }
    const ranges = pendingRanges(this.plan, row)
    const firings = Object.entries(row.frontier.nodes).flatMap(([nodeId, node]) =>
      node.low < node.next ? this.rowsOf(nodeId).filter(({ firing }) => firing >= node.low) : []
    )
    const messages = ranges.flatMap((range) =>
      this.messagesOn(range.nodeId, range.handle)
        .filter((message) => message.producer === range.producer && comparePositions(message, range.from) >= 0)
        .map((message): InboxMessage => ({ ...message, runId }))
    )
    return { row, firings, messages }
  }

  private rowsOf(nodeId: string): ReadonlyArray<FiringRow> {
    return (this.firings.get(nodeId) ?? []).filter((row) => row !== undefined)
  }

  /** The firings of a node in order: its rows, and those that only the frontier tells of. */
  firingsOf(nodeId: string): ReadonlyArray<FiringRow> {
    const rows = this.rowsOf(nodeId)
    const rowless = startedIn(this.frontier).filter(
      (started) => started.nodeId === nodeId && !rows.some(({ firing }) => firing === started.firing)
    )
    return [...rows, ...rowless].sort((a, b) => a.firing - b.firing)
  }

  allFirings(): ReadonlyArray<FiringRow> {
    return this.plan.nodes.flatMap(({ id }) => this.firingsOf(id))
  }

  /** The messages that stand on a handle. */
  messagesOn(nodeId: string, handle: string): ReadonlyArray<MessageRow> {
    return [...this.inbox({ nodeId, handle }).values()]
  }

  allMessages(): ReadonlyArray<MessageRow> {
    return [...this.messages.values()].flatMap((inbox) => [...inbox.values()])
  }

  message(ref: MessageKey): MessageRow | undefined {
    return this.inbox(ref).get(messageKey(ref))
  }

  private inbox({ handle, nodeId }: Pick<MessageRow, "nodeId" | "handle">): Map<string, MessageRow> {
    const inbox = this.messages.get(`${nodeId}.${handle}`) ?? new Map()
    this.messages.set(`${nodeId}.${handle}`, inbox)
    return inbox
  }
}

/** The firings a frontier tells of, as rows would. */
const startedIn = (frontier: Frontier): ReadonlyArray<FiringRow> =>
  Object.entries(frontier.nodes).flatMap(([nodeId, { started = [] }]) =>
    started.map(([firing, inputs, startedAt]) => ({
      nodeId,
      firing,
      status: "running",
      attempt: 1,
      crashes: 0,
      inputs,
      emitted: null,
      reason: null,
      state: null,
      notBefore: null,
      deadline: null,
      startedAt,
      failure: null
    }))
  )

type MessageKey = Pick<MessageRow, "nodeId" | "handle" | "producer" | "firing" | "ordinal">

export const firingKey = (firing: Pick<FiringRow, "nodeId" | "firing">): string => `${firing.nodeId}/${firing.firing}`

export const messageKey = (message: MessageKey): string =>
  `${message.nodeId}.${message.handle} < ${message.producer}/${message.firing}/${message.ordinal}`

const settle = (row: { status: InputStatus } | undefined, status: InputStatus, why: string): void => {
  assert.equal(row?.status, "new", why)
  row!.status = status
}

/** Keys come back from `jsonb` in another order. */
const throughJson = <A>(value: A): A =>
  JSON.parse(JSON.stringify(value), (_, inner) =>
    typeof inner === "object" && inner !== null && !Array.isArray(inner)
      ? Object.fromEntries(Object.entries(inner).reverse())
      : inner
  )
