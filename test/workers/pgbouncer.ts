import { spawn } from "node:child_process"
import { chmodSync, chownSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

/** The program, where it is installed; a server's folder of programs is often not on the path of a user. */
export const pgbouncer: string | undefined = [...(process.env["PATH"] ?? "").split(delimiter), "/usr/sbin"]
  .map((folder) => join(folder, "pgbouncer"))
  .find(existsSync)

/** It refuses to run as root. */
const nobody = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((text) => text.startsWith("nobody:"))
  const [, , uid, gid] = (line ?? "").split(":")
  return { uid: Number(uid), gid: Number(gid) }
}

const freePort = Effect.async<number>((resume) => {
  const server = createServer()
  server.listen(0, "127.0.0.1", () => {
    const address = server.address()
    const port = typeof address === "object" && address !== null ? address.port : 0
    server.close(() => resume(Effect.succeed(port)))
  })
})

const settings = (database: URL, port: number): string => `
[databases]
* = host=${database.hostname} port=${database.port} user=${database.username} password=${database.password}
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = any
pool_mode = transaction
default_pool_size = 8
max_client_conn = 200
`

/** Starts PgBouncer in transaction mode before a database; gives the database behind it. */
export const openPgBouncer = (database: Redacted.Redacted): Effect.Effect<Redacted.Redacted, never, Scope.Scope> =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(database))
    const port = yield* freePort
    const folder = mkdtempSync(join(tmpdir(), "perdure-pgbouncer-"))
    yield* Effect.addFinalizer(() => Effect.sync(() => rmSync(folder, { recursive: true, force: true })))
    const file = join(folder, "pgbouncer.ini")
    writeFileSync(file, settings(url, port), { mode: 0o600 })
    const user = nobody()
    chmodSync(folder, 0o755)
    if (user !== undefined) chownSync(file, user.uid, user.gid)
    yield* Effect.acquireRelease(
      Effect.async<ReturnType<typeof spawn>>((resume) => {
        const child = spawn(pgbouncer ?? "", [file], { stdio: ["ignore", "ignore", "pipe"], ...user })
        let log = ""
        child.stderr.on("data", (chunk: Buffer) => {
          log += chunk.toString()
          if (log.includes("process up")) resume(Effect.succeed(child))
        })
        child.once("exit", () => resume(Effect.dieMessage(`PgBouncer did not start: ${log}`)))
      }),
      (child) =>
        Effect.async<void>((resume) => {
          child.removeAllListeners("exit")
          child.once("exit", () => resume(Effect.void))
          child.kill("SIGKILL")
        })
    )
    url.port = String(port)
    return Redacted.make(url.href)
  })
