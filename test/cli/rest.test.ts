import { spawn } from "node:child_process"
import { once } from "node:events"
import { describe, expect, it } from "vitest"
import { isWorthwhile, type Look } from "../../src/cli/Rest.js"

const megabyte = 1_048_576

const look = (at: number, cpuMs: number, heapMb: number): Look => ({ at, cpuMs, heapBytes: heapMb * megabyte })

describe("A process at rest", () => {
  it.each([
    ["rests with much more than after its last collection", false, 30, 300, 50, true],
    ["is at work", false, 30, 300, 600, false],
    ["has hardly more than after its last collection", false, 30, 85, 50, false],
    ["rests after a load with more than before", true, 30, 45, 50, true],
    ["rests after a load with hardly more than before", true, 30, 35, 50, false],
    ["rests after a load with hardly more than the much that lives", true, 400, 450, 50, false]
  ])("that %s", (_, hasWorked, collectedMb, nowMb, cpuMs, collects) => {
    const collected = { bytes: collectedMb * megabyte, hasWorked }
    expect(isWorthwhile(look(0, 100, nowMb), look(5_000, 100 + cpuMs, nowMb), collected)).toBe(collects)
  })

  it("gives back what a load has left, without being asked for anything", { timeout: 60_000 }, async () => {
    const program = `
      import { giveBackAtRest } from "${new URL("../../src/cli/Rest.ts", import.meta.url).href}"
      giveBackAtRest()
      // old enough to be out of reach of the collections of young values
      let load = Array.from({ length: 1_000_000 }, (_, i) => ({ i, text: "value " + i }))
      const loaded = process.memoryUsage().heapUsed
      load = undefined
      const looking = setInterval(() => {
        const now = process.memoryUsage().heapUsed
        if (now > loaded / 2) return
        console.log(JSON.stringify({ loaded, now }))
        clearInterval(looking)
      }, 100)`
    const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
      stdio: ["ignore", "pipe", "inherit"]
    })
    const [said] = await once(child.stdout, "data")
    const { loaded, now } = JSON.parse(String(said))
    expect(loaded).toBeGreaterThan(64 * megabyte)
    expect(now).toBeLessThan(loaded / 2)
    child.kill()
  })
})
