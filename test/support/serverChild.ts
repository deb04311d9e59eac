// Starts a server and says where it is, then waits to be killed.
import { startServer } from "./postgresServer.js"

const { pid, home } = await startServer()
process.stdout.write(`${JSON.stringify({ pid: pid(), home })}\n`)
setInterval(() => undefined, 60_000)
