import { spawnSync } from "node:child_process"
import { describe, expect, it } from "vitest"

/** What each of these prints, in this order. */
const programs = {
  times: ["suspended", "paused", "failed", "Remember, Ada"],
  latest: ["prices", "stored"]
} as const

describe("an example that is a program of its own", () => {
  it.each(Object.entries(programs))(
    "%s runs by itself and says what it should",
    (name, words) => {
      const { status, stderr, stdout } = spawnSync(process.execPath, ["--import", "tsx", `examples/${name}/main.ts`], {
        encoding: "utf8",
        timeout: 60_000
      })
      expect({ status, stderr }).toEqual({ status: 0, stderr: "" })
      const places = words.map((word) => stdout.indexOf(word))
      expect(places).toEqual([...places].sort((a, b) => a - b))
      expect(Math.min(...places)).toBeGreaterThanOrEqual(0)
    },
    70_000
  )
})
