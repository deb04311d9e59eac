import { describe, expect, it } from "vitest"
import { Answers, Frames } from "./frames.js"
import { faultKinds, faultyMs, planOf, quotaOf } from "./plan.js"

const options = { seed: 7, minutes: 30, leaseMs: 2_000, workers: 3 }

describe("the plan of a soak", () => {
  it("is the same for the same seed, and another one for another", () => {
    expect(planOf(options)).toEqual(planOf(options))
    expect(planOf({ ...options, seed: 8 })).not.toEqual(planOf(options))
  })

  it("holds 300 faults and ten of each kind in half an hour", () => {
    const plan = planOf(options)
    expect(plan.length).toBeGreaterThanOrEqual(300)
    expect(quotaOf(30)).toBe(10)
    for (const kind of faultKinds) {
      expect(plan.filter((fault) => fault.kind === kind).length).toBeGreaterThanOrEqual(quotaOf(30))
    }
  })

  it("begins every fault before its minute's time to heal", () => {
    expect(planOf(options).every(({ atMs }) => atMs < faultyMs)).toBe(true)
  })

  it("stops a worker for one and a half to three leases", () => {
    const stops = planOf(options).filter(({ kind }) => kind === "stop")
    expect(stops.every(({ lastsMs }) => lastsMs >= 3_000 && lastsMs <= 6_000)).toBe(true)
  })
})

describe("the proxy, reading along", () => {
  const frame = (letter: string, body: string): Buffer => {
    const head = Buffer.alloc(5)
    head.write(letter)
    head.writeUInt32BE(4 + body.length, 1)
    return Buffer.concat([head, Buffer.from(body, "latin1")])
  }
  const commits = (...frames: ReadonlyArray<Buffer>) => {
    const answers = new Answers()
    return frames.map((one) => answers.see(one).commits).includes(true)
  }

  it("finds messages whole, however they are cut", () => {
    const sent = Buffer.concat([frame("C", "COMMIT\0"), frame("Z", "I")])
    const frames = new Frames()
    const got = [...sent].flatMap((byte) => frames.push(Buffer.from([byte])))
    expect(Buffer.concat(got)).toEqual(sent)
    expect(got).toHaveLength(2)
  })

  it("knows the acknowledgement of a commit from that of a rollback or a read", () => {
    expect(commits(frame("C", "COMMIT\0"), frame("Z", "I"))).toBe(true)
    expect(commits(frame("C", "ROLLBACK\0"), frame("Z", "I"))).toBe(false)
    expect(commits(frame("C", "SELECT 1\0"), frame("Z", "I"))).toBe(false)
    expect(commits(frame("C", "INSERT 0 1\0"), frame("C", "UPDATE 1\0"), frame("Z", "I"))).toBe(true)
    expect(commits(frame("C", "BEGIN\0"), frame("C", "SET\0"), frame("Z", "T"))).toBe(false)
  })
})
