import { existsSync } from "node:fs"
import { startServer } from "../test/support/postgresServer.js"
import { type Arguments, readArguments, usage } from "./src/arguments.js"
import { buildChildren } from "./src/build.js"
import { compare, selectEngines } from "./src/compare.js"
import { peerModules } from "./src/engines.js"
import { guard } from "./src/guard.js"
import { sleepers } from "./src/sleepers.js"
import { streamLoad } from "./src/stream.js"

/** Only what a server has by default, durability above all; the tests' own server is smaller. */
const settings = { shared_buffers: "128MB" }

/** Whether it is one load of Perdure's, beside no peer. */
const loads = ({ guard, sleepers, stream }: Arguments): boolean =>
  guard || sleepers !== undefined || stream !== undefined

const measure = (given: Arguments, selected: ReturnType<typeof selectEngines>, url: string): Promise<boolean> => {
  if (given.stream !== undefined) return streamLoad(url, given.stream)
  if (given.sleepers !== undefined) return sleepers(url, given.sleepers)
  return given.guard ? guard(given, url) : compare(given, selected, url)
}

const main = async (): Promise<void> => {
  const given = readArguments(process.argv.slice(2))
  if (given.help) return console.log(usage)
  if (!existsSync(new URL("../dist/index.js", import.meta.url))) throw new Error("dist is missing: npm run build")
  const selected = selectEngines(given)
  await buildChildren(loads(given) ? [] : peerModules(selected, given))
  const server = await startServer({ durable: true, settings })
  try {
    const done = await measure(given, selected, server.url)
    if (!done) process.exitCode = 1
  } finally {
    await server.dispose()
  }
}

for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1))

await main().catch((cause: Error) => {
  console.error(`bench: ${cause.message}`)
  process.exitCode = 1
})
