import { type ChildProcess, fork } from "node:child_process"
import type { ShardReport, Task } from "./shard.js"

/** Processes that explore side by side, each one task at a time. */
export class Processes {
  private readonly children: ReadonlyArray<ChildProcess>

  constructor(script: string, args: ReadonlyArray<string>, count: number) {
    this.children = Array.from({ length: count }, () => fork(script, [...args, "--child"]))
  }

  /** Does all tasks; whoever is free takes the next one. */
  async run(tasks: ReadonlyArray<Task>): Promise<ReadonlyArray<ShardReport>> {
    const left = [...tasks]
    const reports: Array<ShardReport> = []
    await Promise.all(
      this.children.map(async (child) => {
        for (let task = left.shift(); task !== undefined; task = left.shift()) reports.push(await ask(child, task))
      })
    )
    return reports
  }

  /** The processes end. */
  close(): void {
    for (const child of this.children) child.disconnect()
  }
}

const ask = (child: ChildProcess, task: Task): Promise<ShardReport> =>
  new Promise((resolve, reject) => {
    const over = (code: number | null) => reject(new Error(`a process ended with ${code} at ${JSON.stringify(task)}`))
    child.once("exit", over)
    child.once("message", (report) => {
      child.off("exit", over)
      resolve(report as ShardReport)
    })
    child.send(task)
  })
