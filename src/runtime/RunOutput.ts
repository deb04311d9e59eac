import type { GraphResult } from "../definition/Graph.js"
import type { Failure } from "../model/Failure.js"
import type { Message } from "../model/Message.js"
import type { Draft } from "./Draft.js"
import type { PlanNode } from "./Plan.js"
import { inWiringOrder } from "./Settle.js"

type Collected =
  | { readonly _tag: "Output"; readonly text: string }
  | { readonly _tag: "Missing"; readonly failure: Failure }

/** Assembles the run's output from the texts of the messages that reached it, without parsing them again. */
export const collectOutput = (draft: Draft, plan: PlanNode): Collected => {
  const parts: Array<string> = []
  for (let index = 0; index < plan.handles.length; index++) {
    const name = plan.handles[index]!.name
    const live = inWiringOrder(plan, index, draft.nodes[plan.index]!.handles[index]!).flatMap(liveText)
    const mode: GraphResult["mode"] = plan.results[index]!
    if (mode === "array") parts.push(`${JSON.stringify(name)}:[${live.join(",")}]`)
    else if (live[0] !== undefined) parts.push(`${JSON.stringify(name)}:${live[0]}`)
    else if (mode !== "option") return { _tag: "Missing", failure: missing(name) }
  }
  return { _tag: "Output", text: `{${parts.join(",")}}` }
}

const liveText = ({ content }: Message): ReadonlyArray<string> => (content._tag === "Live" ? [content.text] : [])

const missing = (name: string): Failure => ({
  kind: "invalidOutput",
  message: `nothing came for the workflow's output ${name}`,
  nodeId: "output",
  firing: 1,
  attempt: 1
})
