import { spawn } from "node:child_process"
import { once } from "node:events"
import { join } from "node:path"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import type { Figures } from "./figures.js"
import { makeFolder, removeFolder } from "./folder.js"

const program = fileURLToPath(new URL("../../dist/main.js", import.meta.url))

/** Seconds from the start of the bundled server to its word that it is ready; then it is stopped. */
const start = async (dataDir: string): Promise<number> => {
  const started = performance.now()
  const server = spawn(process.execPath, [program], {
    env: { PATH: process.env["PATH"] ?? "", PERDURE_PORT: "0", PERDURE_DATA_DIR: dataDir },
    stdio: ["ignore", "pipe", "inherit"]
  })
  const exited = once(server, "exit")
  let seconds: number | undefined
  for await (const line of createInterface({ input: server.stdout })) {
    if (!line.includes("is ready")) continue
    seconds = (performance.now() - started) / 1_000
    server.kill("SIGTERM")
  }
  await exited
  if (seconds === undefined) throw new Error("the server ended before it was ready")
  return seconds
}

/** The bundled server with its embedded database: the first start in a folder, and the next one. */
export const measureReady = async (): Promise<Figures> => {
  const folder = makeFolder()
  try {
    const dataDir = join(folder, "data")
    return { coldSeconds: await start(dataDir), warmSeconds: await start(dataDir) }
  } finally {
    removeFolder(folder)
  }
}
