import type { Answer, Call, Delivery } from "./calls.js"
import type { WorkflowName } from "./workload.js"

/** Who follows a run. */
export interface Caller {
  /** Asks until there is an answer. */
  readonly call: (call: Call) => Promise<Answer>
  /** Sends an event, perhaps twice. */
  readonly trigger: (call: Delivery) => Promise<void>
  readonly pause: (fromMs: number, toMs: number) => Promise<void>
  /** Waits for the time after the next check. */
  readonly untilMorning: (runId: string) => Promise<void>
}

/** A run that somebody follows. */
export interface Followed {
  readonly runId: string
  readonly workflow: WorkflowName
  readonly v: number
}

/** A way to use a workflow: what is done while the run goes on. */
export interface Script {
  readonly name: string
  readonly workflow: WorkflowName
  /** How many inputs it is used with: 0, 1 … */
  readonly inputs: number
  readonly meanwhile?: (client: Caller, run: Followed) => Promise<void>
  /** Where more than one end is right: a word that stands for all of them. */
  readonly endsAs?: (status: string) => string | undefined
  /** It is cut short at some moment: which steps it comes to is chance. */
  readonly isCutShort?: true
}

/** Longer than a run stays in memory. */
const [evictedFrom, evictedTo] = [500, 1_500]

const event = (run: Followed, nodeId: string, inputId: string, payload: unknown) =>
  ({ kind: "trigger", ...run, nodeId, inputId, payload }) as const

const approve = (run: Followed) => event(run, "approve", "mail", { yes: run.v !== 0 })

const before: Script = {
  name: "before",
  workflow: "approval",
  inputs: 2,
  meanwhile: (client, run) => client.trigger(approve(run))
}

const during: Script = {
  name: "during",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, 300)
    await client.trigger(approve(run))
  }
}

/** After the run has left memory; another event for a node that has ended is dead. */
const after: Script = {
  name: "after",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(evictedFrom, evictedTo)
    await client.trigger(approve(run))
    await client.trigger(event(run, "approve", "late mail", { yes: true }))
  }
}

/** Over a check: the run is not to be touched while it waits. */
const overNight: Script = {
  name: "overNight",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.untilMorning(run.runId)
    await client.trigger(approve(run))
  }
}

const suspend: Script = {
  name: "suspend",
  workflow: "suspend",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, 200)
    await client.trigger(event(run, "ask", "one", run.v))
    await client.pause(0, evictedTo)
    await client.trigger(event(run, "ask", "two", run.v + 1))
  }
}

const repeated: Script = {
  name: "repeated",
  workflow: "repeated",
  inputs: 2,
  meanwhile: async (client, run) => {
    await Promise.all([1, 2, 3].map((n) => client.trigger(event(run, "collect", `mail-${n}`, n * 10 + run.v))))
  }
}

const cancelled: Script = {
  name: "cancelled",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, evictedTo)
    await client.call({ kind: "cancel", runId: run.runId })
  },
  isCutShort: true
}

/** It may just as well complete. */
const cancelRace: Script = {
  name: "cancelRace",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await Promise.all([client.trigger(approve(run)), client.call({ kind: "cancel", runId: run.runId })])
  },
  endsAs: (status) => (status === "cancelled" || status === "completed" ? "either" : undefined),
  isCutShort: true
}

/** Refused while the pause has not been taken over yet, and for good if the run was faster. */
const resume = async (client: Caller, runId: string): Promise<void> => {
  for (;;) {
    const { detail, outcome } = await client.call({ kind: "resume", runId })
    if (outcome === "done" || /it is (?:completed|failed|cancelled)/.test(detail)) return
    await client.pause(50, 150)
  }
}

const paused: Script = {
  name: "paused",
  workflow: "approval",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, 200)
    await client.call({ kind: "pause", runId: run.runId })
    await client.trigger(approve(run))
    await client.pause(0, evictedTo)
    await resume(client, run.runId)
  }
}

/** The signal may be there before anybody waits for it. */
const steps: Script = {
  name: "steps",
  workflow: "steps",
  inputs: 4,
  meanwhile: async (client, { runId, v }) => {
    await client.pause(0, evictedTo)
    await client.trigger({ kind: "signal", runId, nodeId: "paced", inputId: "answer", signal: "answer", payload: v })
  }
}

/** Cancelled while it holds something, or before. */
const givenBack: Script = {
  name: "givenBack",
  workflow: "held",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, evictedTo)
    await client.call({ kind: "cancel", runId: run.runId })
  },
  endsAs: (status) => (status === "cancelled" || status === "compensated" ? "either" : undefined),
  isCutShort: true
}

const kept: Script = {
  name: "kept",
  workflow: "held",
  inputs: 2,
  meanwhile: async (client, run) => {
    await client.pause(0, evictedTo)
    await client.trigger(event(run, "wait", "mail", run.v))
  }
}

const plain = (workflow: WorkflowName): Script => ({ name: workflow, workflow, inputs: 4 })

/** Everything the client does, drawn evenly. */
export const scripts: ReadonlyArray<Script> = [
  plain("chain"),
  plain("fanOut"),
  plain("routing"),
  plain("errors"),
  plain("failure"),
  plain("timeOut"),
  plain("long"),
  before,
  during,
  after,
  overNight,
  suspend,
  repeated,
  cancelled,
  cancelRace,
  paused,
  steps,
  plain("family"),
  plain("undone"),
  givenBack,
  kept,
  plain("streamed")
]
