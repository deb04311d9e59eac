import { spawn } from "node:child_process"
import { once } from "node:events"
import { describe, expect, it } from "vitest"
import { isWorthwhile, type Look } from "../../src/cli/Rest.js"

const megabyte = 1_048_576

const look = (at: number, cpuMs: number, heapMb: number): Look => ({ at, cpuMs, heapBytes: heapMb * megabyte })

/** The first thing that a program of its own says. */
const firstWord = async (program: string): Promise<string> => {
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "--eval", program], {
    stdio: ["ignore", "pipe", "inherit"]
  })
  const [said] = await once(child.stdout, "data")
  child.kill()
  return String(said)
}

describe("A process at rest", () => {
  it.each([
    ["rests with much more than after its last collection", 30, 300, 50, true],
    ["is at work", 30, 300, 600, false],
    ["has hardly more than after its last collection", 30, 33, 50, false],
    ["rests with a third more than before", 30, 40, 50, true],
    ["has hardly more than the much that lives", 400, 435, 50, false]
  ])("that %s", (_, collectedMb, nowMb, cpuMs, collects) => {
    expect(isWorthwhile(look(0, 100, nowMb), look(5_000, 100 + cpuMs, nowMb), collectedMb * megabyte)).toBe(collects)
  })

  it("takes less memory under load than it would by itself", { timeout: 60_000 }, async () => {
    const load = (first: string) => `
      import { keepHeapSmall } from "${new URL("../../src/cli/Rest.ts", import.meta.url).href}"
      ${first}
      // old enough to be out of reach of the collections of young values
      const ring = []
      let most = 0
      for (let i = 0; i < 12_000_000; i++) {
        ring[i % 300_000] = { i, text: [i] }
        if (i % 50_000 === 0) most = Math.max(most, process.memoryUsage().heapTotal)
      }
      console.log(most)`
    const bounded = Number(await firstWord(load("keepHeapSmall()")))
    expect(bounded).toBeGreaterThan(30 * megabyte)
    expect(bounded).toBeLessThan(0.85 * Number(await firstWord(load(""))))
  })

  it("gives back what its start has left", { timeout: 60_000 }, async () => {
    const program = `
      import { keepHeapSmall } from "${new URL("../../src/cli/Rest.ts", import.meta.url).href}"
      Array.from({ length: 1_000_000 }, (_, i) => ({ i, text: "value " + i }))
      const started = process.memoryUsage().heapTotal
      keepHeapSmall()
      const looking = setInterval(() => {
        if (process.memoryUsage().heapTotal > started / 2) return
        clearInterval(looking)
        console.log("given back")
      }, 100)`
    expect(await firstWord(program)).toContain("given back")
  })

  it("collects again what a load has left that begins when the last one was collected", {
    timeout: 60_000
  }, async () => {
    const program = `
      import { keepHeapSmall } from "${new URL("../../src/cli/Rest.ts", import.meta.url).href}"
      keepHeapSmall()
      const load = () => Array.from({ length: 1_000_000 }, (_, i) => ({ i, text: "value " + i })).length
      const total = () => process.memoryUsage().heapTotal
      const isGivenBack = (loaded) => new Promise((resolve) => {
        const looking = setInterval(() => {
          if (total() > loaded / 2) return
          clearInterval(looking)
          resolve()
        }, 100)
      })
      for (let i = 0; i < 2; i++) {
        load()
        await isGivenBack(total())
      }
      console.log("given back twice")`
    expect(await firstWord(program)).toContain("given back twice")
  })

  it("gives back what a load has left, without being asked for anything", { timeout: 60_000 }, async () => {
    const program = `
      import { keepHeapSmall } from "${new URL("../../src/cli/Rest.ts", import.meta.url).href}"
      keepHeapSmall()
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
    const said = await firstWord(program)
    const { loaded, now } = JSON.parse(said)
    expect(loaded).toBeGreaterThan(64 * megabyte)
    expect(now).toBeLessThan(loaded / 2)
  })
})
