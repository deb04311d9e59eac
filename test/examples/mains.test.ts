import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { describe, expect, it } from "vitest"

/** What each of these prints, in this order. */
const programs = {
  times: ["suspended", "paused", "failed", "Remember, Ada", "cancelled", "its deadline has passed"],
  latest: ["prices", "stored"]
} as const

describe("an example that is a program of its own", () => {
  it.each(Object.entries(programs))(
    "%s runs by itself and says what it should",
    async (name, words) => {
      // Rejects unless it ends with 0.
      const { stderr, stdout } = await promisify(execFile)(
        process.execPath,
        ["--import", "tsx", `examples/${name}/main.ts`],
        { timeout: 240_000 }
      )
      expect(stderr).toBe("")
      const places = words.map((word) => stdout.indexOf(word))
      expect(places).toEqual([...places].sort((a, b) => a - b))
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0)
    },
    250_000
  )
})
