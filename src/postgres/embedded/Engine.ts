import type { Extension } from "@electric-sql/pglite"
import { summarise } from "./BackendMessages.js"

/** A PostgreSQL engine inside this process, spoken to in whole messages of the frontend protocol. */
export interface Engine {
  /** Runs messages and gives what the engine said. It blocks the event loop meanwhile. */
  readonly exchange: (messages: Uint8Array) => Promise<Buffer>
  /** All files, as a tar archive. */
  readonly dump: () => Promise<Blob>
  /** Shuts the engine down with a checkpoint. */
  readonly close: () => Promise<void>
}

/** Where the engine keeps its files: a folder, or memory, filled from a dump or empty. */
export type EngineStorage =
  | { readonly kind: "folder"; readonly path: string }
  | { readonly kind: "memory"; readonly dump: Blob | undefined }

/**
 * Settings of the engine.
 *
 * **Details** `max_stack_depth`: an expression nested too deep must be an error of the engine; at the default of 2 MB the
 * stack of the JavaScript engine overflows first, and the PostgreSQL engine is lost. Buffers are memory of this process;
 * the default of 128 MB doubles its size. The log of a database in memory is only in the way.
 */
const parameters = (storage: EngineStorage, byDefault: ReadonlyArray<string>): ReadonlyArray<string> => {
  const settings = [
    "max_stack_depth=100kB",
    `shared_buffers=${storage.kind === "folder" ? "32MB" : "8MB"}`,
    "min_wal_size=32MB",
    "max_wal_size=64MB"
  ]
  return [...byDefault, ...settings.flatMap((setting) => ["-c", setting])]
}

interface WasmImports {
  readonly env: Record<string, unknown>
}

interface WasmHost {
  readonly instantiateWasm: (imports: WasmImports, done: unknown) => unknown
}

/**
 * Keeps the engine's interval timers from ever starting.
 *
 * **Details** They would fire on the event loop between two exchanges. An `idle_in_transaction_session_timeout`,
 * `idle_session_timeout` or `transaction_timeout` that fires makes the engine leave the session it lives in, and the
 * next exchange never returns. The others can't interrupt a statement anyway, since it blocks the loop they wait for.
 */
const withoutTimers: Extension = {
  name: "withoutTimers",
  setup: async (_engine, host: WasmHost) => ({
    emscriptenOpts: {
      ...host,
      instantiateWasm: (imports: WasmImports, done: unknown) => {
        imports.env["_setitimer_js"] = () => 0
        return host.instantiateWasm(imports, done)
      }
    }
  })
}

/** The lines in which the engine says why it does not start, without time and process id. */
const complaints = (lines: ReadonlyArray<string>): string =>
  lines.flatMap((line) => /(?:FATAL|PANIC|DETAIL|HINT): +(.*)/.exec(line)?.[1] ?? []).join("; ")

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Starts an engine, creating its database when there is none. Rejects with an `Error` whose message says why not. */
export const start = async (storage: EngineStorage): Promise<Engine> => {
  const log: Array<string> = []
  const dump = storage.kind === "memory" ? storage.dump : undefined
  // Only here: who uses a server needn't wait for an engine to be loaded.
  const { PGlite } = await import("@electric-sql/pglite")
  const pglite = new PGlite({
    ...(storage.kind === "folder" ? { dataDir: storage.path } : {}),
    ...(dump === undefined ? {} : { loadDataDir: dump }),
    // a copy of a database in memory carries a whole segment of its log
    ...(storage.kind === "memory" ? { initDbStartParams: ["--wal-segsize=1"] } : {}),
    startParams: [...parameters(storage, PGlite.defaultStartParams)],
    extensions: { withoutTimers },
    onStderr: (line) => {
      if (log.push(line) > 20) log.shift()
      return false
    }
  })
  try {
    await pglite.waitReady
  } catch (cause) {
    const why = complaints(log)
    throw new Error(why === "" ? messageOf(cause) : why, { cause })
  }
  return {
    exchange: async (messages) => {
      const said: Array<Buffer> = []
      // what comes is a view of the engine's memory, which the next message overwrites
      const onRawData = (bytes: Uint8Array) => {
        said.push(Buffer.from(bytes))
      }
      await pglite.execProtocolRawStream(messages, { syncToFs: false, onRawData }).catch((cause: unknown) => {
        throw new Error(summarise(Buffer.concat(said)).error ?? messageOf(cause), { cause })
      })
      return said.length === 1 ? said[0]! : Buffer.concat(said)
    },
    dump: () => pglite.dumpDataDir("none"),
    close: () => pglite.close()
  }
}
