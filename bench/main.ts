import { startServer } from "../test/support/postgresServer.js"
import { measureChain } from "./src/chain.js"
import { type Floor, measureFloor } from "./src/floor.js"

const median = (values: ReadonlyArray<number>): number => [...values].sort((a, b) => a - b)[values.length >> 1]!

const quick = process.argv.includes("--quick")

/** The claims, as ratios to the floor of the same run. */
const thresholds = { chainToTwoStatementsAt8: 1, rowWritesPerStep: 4.5, transactionsPerRun: 4 }

const server = await startServer({ durable: true, settings: { shared_buffers: "128MB" } })
try {
  const seconds = quick ? 2 : 5
  const floors: Array<Floor> = []
  for (const work of ["two statements", "one statement"] as const) {
    for (const connections of [1, 8, 64]) floors.push(await measureFloor(server.url, work, connections, seconds))
  }
  floors.push(await measureFloor(server.url, "bulk", 1, seconds))
  for (const floor of floors) console.log(JSON.stringify({ floor }))
  const chain = await measureChain({
    url: server.url,
    runs: quick ? 3_000 : 20_000,
    inFlight: 200,
    rounds: 3
  })
  const two = floors.find((floor) => floor.work === "two statements" && floor.connections === 8)!
  const ratio = median(chain.stepsPerSecond) / two.perSecond
  const claims = {
    chainToTwoStatementsAt8: ratio >= thresholds.chainToTwoStatementsAt8,
    rowWritesPerStep: chain.rowWritesPerStep <= thresholds.rowWritesPerStep,
    transactionsPerRun: chain.transactionsPerRun <= thresholds.transactionsPerRun
  }
  console.log(
    JSON.stringify({
      work: "W1 raw",
      ...chain,
      rounds: chain.stepsPerSecond,
      stepsPerSecond: median(chain.stepsPerSecond),
      ratioToTwoStatementsAt8: Number(ratio.toFixed(2)),
      claims
    })
  )
  if (Object.values(claims).includes(false)) process.exitCode = 1
} finally {
  await server.dispose()
}
