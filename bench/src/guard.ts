import type { Arguments } from "./arguments.js"
import { engines } from "./engines.js"
import { floorOf, measureFloors } from "./floors.js"
import { sizes } from "./sizes.js"
import { works } from "./works.js"

/** The claims, as ratios to the floor of the same run and as counts: never an absolute time. */
const thresholds = { chainToTwoStatementsAt8: 1, rowWritesPerStep: 4, transactionsPerRun: 0.5 }

/** Measures Perdure beside the floors. Prints one JSON line for each and one with the ratios; gives whether all hold. */
export const guard = async (given: Arguments, server: string): Promise<boolean> => {
  const size = sizes[given.size]
  const floors = await measureFloors(server, size.floorSeconds, (floor) => console.log(JSON.stringify({ floor })))
  const engine = engines.find(({ name }) => name === "perdure")!
  const task = { engine, sizes: size, given, server }
  const [chain] = await works.W1(task)
  console.log(JSON.stringify({ engine: "perdure", work: "W1", ...chain }))
  const [lone] = await works.W3(task)
  console.log(JSON.stringify({ engine: "perdure", work: "W3", ...lone }))
  const ratio = Number(chain!["stepsPerSecond"]) / floorOf(floors, "two statements", 8)
  const tenCommitsMs = 10_000 / floorOf(floors, "one statement", 1)
  const claims = {
    chainToTwoStatementsAt8: ratio >= thresholds.chainToTwoStatementsAt8,
    rowWritesPerStep: Number(chain!["rowWritesPerStep"]) <= thresholds.rowWritesPerStep,
    transactionsPerRun: Number(chain!["transactionsPerRun"]) <= thresholds.transactionsPerRun
  }
  console.log(
    JSON.stringify({
      guard: {
        chainToTwoStatementsAt8: Number(ratio.toFixed(2)),
        loneRunToTenCommits: Number((Number(lone!["p50Ms"]) / tenCommitsMs).toFixed(2)),
        rowWritesPerStep: chain!["rowWritesPerStep"],
        transactionsPerRun: chain!["transactionsPerRun"]
      },
      thresholds,
      claims
    })
  )
  return !Object.values(claims).includes(false)
}
