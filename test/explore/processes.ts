import { type ChildProcess, fork } from "node:child_process"
import type { ShardReport, Task } from "./shard.js"

/** Processes that explore side by side, each one task at a time. */
export class Processes {
  private readonly children: ReadonlyArray<ChildProcess>

  /** `told` hears of each task that is done. */
  constructor(
    script: string,
    args: ReadonlyArray<string>,
    count: number,
    private readonly told: (line: string) => void
  ) {
    // A tenth of the time went to the collection of what one case leaves behind, in the small space of the default.
    const execArgv = [...process.execArgv, "--max-semi-space-size=64"]
    this.children = Array.from({ length: count }, () => fork(script, [...args, "--child"], { execArgv }))
  }

  /** Does all tasks; whoever is free takes the next one. */
  async run(tasks: ReadonlyArray<Task>): Promise<ReadonlyArray<ShardReport>> {
    const left = [...tasks]
    const reports: Array<ShardReport> = []
    await Promise.all(
      this.children.map(async (child) => {
        for (let task = left.shift(); task !== undefined; task = left.shift()) {
          const report = await ask(child, task)
          reports.push(report)
          this.told(`${reports.length}/${tasks.length} ${task.kind} of ${task.subject}: ${report.cases} cases`)
        }
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
