import { Annotation, Command, END, interrupt, Send, START, StateGraph } from "@langchain/langgraph"
import { PostgresSaver } from "@langchain/langgraph-checkpoint-postgres"
import pg from "pg"
import {
  chainSteps,
  expectCount,
  fanCount,
  fanWidth,
  firstValue,
  join,
  type Open,
  step,
  stepsLeft,
  type Value
} from "../session.js"

const connections = 32

const State = Annotation.Root({ value: Annotation<Value> })

const FanState = Annotation.Root({
  value: Annotation<Value>,
  branches: Annotation<Array<Value>>({ reducer: (all, more) => [...all, ...more], default: () => [] })
})

/** A node that loops: the record of a checkpoint grows with the number of nodes, so this is the quicker chain. */
const chainOf = (steps: number, before: (value: Value) => Promise<void>) =>
  new StateGraph(State)
    .addNode("step", async ({ value }) => {
      await before(value)
      return { value: step(value) }
    })
    .addEdge(START, "step")
    .addConditionalEdges("step", ({ value }) => (value.count < steps ? "step" : END), ["step", END])

const fanGraph = new StateGraph(FanState)
  .addNode("split", ({ value }) => ({ value: step(value) }))
  .addNode("work", ({ value }) => ({ branches: [step(value)] }))
  .addNode("join", ({ branches }) => ({ value: step(join(branches)) }))
  .addEdge(START, "split")
  .addConditionalEdges("split", ({ value }) => Array.from({ length: fanWidth }, () => new Send("work", { value })), [
    "work"
  ])
  .addEdge("work", "join")
  .addEdge("join", END)

const waitingGraph = new StateGraph(State)
  .addNode("before", ({ value }) => ({ value: step(value) }))
  .addNode("go", () => {
    interrupt("go")
    return {}
  })
  .addNode("after", ({ value }) => ({ value: step(value) }))
  .addEdge(START, "before")
  .addEdge("before", "go")
  .addEdge("go", "after")
  .addEdge("after", END)

export const open: Open = async ({ execution, history, hold, url }, held) => {
  const pool = new pg.Pool({ connectionString: url, max: connections })
  const checkpointer = new PostgresSaver(pool)
  await checkpointer.setup()
  const lastOfHistory = async ({ count }: Value) => {
    if (!hold || count < history) return
    held()
    await new Promise(() => undefined)
  }
  const chain = chainOf(chainSteps, () => Promise.resolve()).compile({ checkpointer })
  const fan = fanGraph.compile({ checkpointer })
  const long = chainOf(history + stepsLeft, lastOfHistory).compile({ checkpointer })
  const waiting = waitingGraph.compile({ checkpointer })
  const input = { value: firstValue }
  const config = (thread_id: string) => ({
    configurable: { thread_id },
    // a step is durable before the next one starts
    durability: "sync" as const,
    recursionLimit: history + stepsLeft + chainSteps + fanWidth
  })
  const ends = new Map<string, () => void>()
  const running = new Set<Promise<unknown>>()
  return {
    chain: async (id) => expectCount((await chain.invoke(input, config(id))).value, chainSteps),
    fan: async (id) => expectCount((await fan.invoke(input, config(id))).value, fanCount),
    long: async (id) => {
      // it never ends: the process is killed before
      running.add(long.invoke(input, config(id)))
    },
    resumed: async (ids) => {
      const resume = async (id: string) => expectCount((await long.invoke(null, config(id))).value, history + stepsLeft)
      await Promise.all(ids.map(resume))
    },
    wait: async (id) => {
      await waiting.invoke(input, config(id))
    },
    wake: async (id) => {
      expectCount((await waiting.invoke(new Command({ resume: true }), config(id))).value, 2)
      ends.get(id)?.()
    },
    woken: (id) =>
      new Promise((resolve) => {
        ends.set(id, resolve)
      }),
    // a run has no start of its own: this writes its first checkpoint and stops before its first step
    start: async (id) => {
      await chain.invoke(input, { ...config(id), ...(execution === "paused" ? { interruptBefore: ["step"] } : {}) })
    },
    close: () => pool.end()
  }
}
