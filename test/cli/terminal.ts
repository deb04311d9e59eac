import { type ChildProcess, execFileSync, spawn } from "node:child_process"
import { fileURLToPath } from "node:url"

const root = fileURLToPath(new URL("../..", import.meta.url))

/** Why there is no pseudo-terminal here, if there is none: they are made by `script` of util-linux. */
export const noTerminal = ((): string | undefined => {
  try {
    const version = execFileSync("script", ["--version"], { encoding: "utf8" })
    return version.includes("util-linux") ? undefined : `script is another one: ${version}`
  } catch (error) {
    return `there is no command script (${error instanceof Error ? error.message : String(error)})`
  }
})()

/** A command in a terminal of its own, under a shell that tells of both afterwards. */
export interface Session {
  /** All that was shown once it fits. */
  readonly until: (fits: RegExp) => Promise<string>
  /** Types keys. */
  readonly type: (keys: string) => void
  /** What was shown, how the command ended, and whether the terminal is as it was. */
  readonly ended: Promise<{ readonly shown: string; readonly code: number; readonly isRestored: boolean }>
}

const quoted = (word: string): string => `'${word.replaceAll("'", `'\\''`)}'`

const running = new Set<ChildProcess>()

/** Ends all sessions that a test left behind. */
export const endTerminals = (): void => {
  for (const child of running) child.kill("SIGKILL")
}

/** Runs the command line of the package, from its sources, in a pseudo-terminal. */
export const inTerminal = (args: ReadonlyArray<string>, environment: Record<string, string> = {}): Session => {
  const command = [process.execPath, "--import", "tsx", "src/cli/perdure.ts", ...args].map(quoted).join(" ")
  // The shell itself does not end on Ctrl-C, so that it can tell what is left of the terminal.
  const line = `trap : INT; before=$(stty -g); ${command}; code=$?; after=$(stty -g); [ "$before" = "$after" ] && kept=yes || kept=no; echo "ended $code $kept"`
  const child = spawn("script", ["--quiet", "--flush", "--return", "--command", line, "/dev/null"], {
    cwd: root,
    env: { PATH: process.env["PATH"], SHELL: "/bin/sh", TERM: "xterm-256color", COLUMNS: "120", ...environment }
  })
  running.add(child)
  let shown = ""
  let look = (): void => undefined
  child.stdout.on("data", (chunk) => {
    shown += chunk
    look()
  })
  const ended = new Promise<Awaited<Session["ended"]>>((resolve, reject) => {
    child.on("error", reject)
    child.on("close", () => {
      running.delete(child)
      const [last = "", code, kept] = /ended (\d+) (yes|no)\s*$/.exec(shown) ?? []
      if (code === undefined) return reject(new Error(`the shell told nothing: ${shown}`))
      resolve({ shown: shown.slice(0, -last.length), code: Number(code), isRestored: kept === "yes" })
    })
  })
  const until = (fits: RegExp) =>
    new Promise<string>((resolve, reject) => {
      look = () => {
        if (fits.test(shown)) resolve(shown)
      }
      look()
      child.on("close", () => reject(new Error(`ended without ${fits}: ${shown}`)))
    })
  return { ended, until, type: (keys) => child.stdin.write(keys) }
}
