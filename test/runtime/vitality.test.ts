import { describe, expect, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as TestClock from "effect/TestClock"
import { Limits } from "../../src/model/Limits.js"
import { defaultSettings, Settings } from "../../src/runtime/Settings.js"
import { Slots } from "../../src/runtime/Slots.js"
import * as Vitality from "../../src/runtime/Vitality.js"
import { Workers } from "../../src/store/Workers.js"

const settings = Layer.succeed(Settings, { ...defaultSettings, leaseMs: 1_000, heartbeatMs: 200 })

const workers = (exclusive: boolean) => Layer.succeed(Workers, { exclusive } as (typeof Workers)["Service"])

const vitality = (exclusive = false) => Vitality.layer.pipe(Layer.provide(Layer.merge(settings, workers(exclusive))))

/** A vitality, and the slots over it. */
const withSlots = Effect.map(Vitality.Vitality, (vital) => {
  const slots = new Slots(2, vital.isVital)
  vital.onBeat(() => slots.lookAgain())
  return { vital, slots }
})

describe("a worker", () => {
  it.effect("starts nothing while its heartbeat is late, and goes on with the next one", () =>
    Effect.gen(function* () {
      const { slots, vital } = yield* withSlots
      let told = 0
      yield* TestClock.adjust("700 millis")
      expect(slots.free).toBe(2)
      yield* TestClock.adjust("50 millis")
      expect(slots.free).toBe(0)
      expect(slots.freeAlone).toBe(false)
      slots.onFree(() => told++)
      vital.beaten(vital.now())
      expect({ free: slots.free, told }).toEqual({ free: 2, told: 1 })
    }).pipe(Effect.provide(vitality()))
  )

  it.effect("counts from when a heartbeat was sent, not from when it arrived", () =>
    Effect.gen(function* () {
      const { slots, vital } = yield* withSlots
      const sentAt = vital.now()
      yield* TestClock.adjust("700 millis")
      vital.beaten(sentAt)
      yield* TestClock.adjust("50 millis")
      expect(slots.free).toBe(0)
    }).pipe(Effect.provide(vitality()))
  )

  it.effect("that had trouble itself does not judge others for one lease time", () =>
    Effect.gen(function* () {
      const vital = yield* Vitality.Vitality
      const beat = (ms: number) =>
        Effect.zipRight(
          TestClock.adjust(ms),
          Effect.sync(() => vital.beaten(vital.now()))
        )
      expect(vital.mayTakeOver()).toBe(true)
      yield* beat(600)
      expect({ vital: vital.isVital(), judges: vital.mayTakeOver() }).toEqual({ vital: true, judges: false })
      for (let i = 0; i < 5; i++) {
        expect(vital.mayTakeOver()).toBe(false)
        yield* beat(200)
      }
      expect(vital.mayTakeOver()).toBe(true)
    }).pipe(Effect.provide(vitality()))
  )

  it.effect("whose session is gone starts nothing before its next heartbeat", () =>
    Effect.gen(function* () {
      const vital = yield* Vitality.Vitality
      vital.lost()
      expect(vital.isVital()).toBe(false)
      vital.beaten(vital.now())
      expect({ vital: vital.isVital(), judges: vital.mayTakeOver() }).toEqual({ vital: true, judges: false })
    }).pipe(Effect.provide(vitality()))
  )

  it.effect("that has the database for itself is never late", () =>
    Effect.gen(function* () {
      const vital = yield* Vitality.Vitality
      yield* TestClock.adjust("1 day")
      expect({ vital: vital.isVital(), judges: vital.mayTakeOver() }).toEqual({ vital: true, judges: true })
    }).pipe(Effect.provide(vitality(true)))
  )
})

describe("a firing that runs alone", () => {
  it("waits until nothing runs; meanwhile, and while it runs, nothing else starts", () => {
    const slots = new Slots(3)
    const told: Array<string> = []
    const [alone, other] = [() => told.push("alone"), () => told.push("other")]
    slots.take(2)
    slots.onFreeAlone(alone)
    slots.onFree(other)
    expect(slots.free).toBe(0)
    slots.release(1)
    expect(told).toEqual([])
    slots.release(1)
    expect(told).toEqual(["alone"])
    slots.take(1, true)
    slots.forgetAlone(alone)
    expect({ free: slots.free, told }).toEqual({ free: 0, told: ["alone"] })
    slots.release(1)
    expect({ free: slots.free, told }).toEqual({ free: 3, told: ["alone", "other"] })
  })

  it("that has to wait for long lets others start in turn", () => {
    let now = 5
    const slots = new Slots(
      3,
      () => true,
      () => now
    )
    let told = 0
    slots.take(1)
    slots.onFreeAlone(() => undefined)
    slots.onFree(() => told++)
    now += Limits.aloneTurnMs - 1
    slots.lookAgain()
    expect({ free: slots.free, told }).toEqual({ free: 0, told: 0 })
    now += 1
    slots.lookAgain()
    expect({ free: slots.free, told }).toEqual({ free: 2, told: 1 })
    now += Limits.aloneTurnMs
    expect(slots.free).toBe(0)
  })

  it("that gives up its wait lets the others go on", () => {
    const slots = new Slots(1)
    let told = 0
    slots.take(1)
    const alone = () => undefined
    slots.onFreeAlone(alone)
    slots.onFree(() => told++)
    slots.release(1)
    expect(told).toBe(0)
    slots.forget(alone)
    expect(told).toBe(1)
  })
})

describe("a firing that waits for others", () => {
  const lender = { giveWay: () => undefined }

  it("lends its slot to them, and takes it again whether there is one or not", () => {
    const slots = new Slots(1)
    const told: Array<string> = []
    slots.take(1)
    slots.onFree(() => told.push("other"))
    slots.lend(lender)
    expect({ free: slots.free, told }).toEqual({ free: 1, told: ["other"] })
    slots.take(1)
    slots.retake(lender)
    slots.take(0)
    slots.onFree(() => told.push("next"))
    slots.end()
    expect({ free: slots.free, told }).toEqual({ free: 0, told: ["other"] })
    slots.end()
    expect({ free: slots.free, told }).toEqual({ free: 1, told: ["other", "next"] })
  })

  it("still runs, so that nobody can be alone beside it; and it is not alone any more itself", () => {
    const slots = new Slots(2)
    let told = 0
    slots.take(1, true)
    slots.onFree(() => told++)
    slots.onFree(() => told++)
    slots.lend(lender)
    expect({ alone: slots.isAlone, free: slots.free, freeAlone: slots.freeAlone, told }).toEqual({
      ...{ alone: false, free: 2, freeAlone: false, told: 2 }
    })
    slots.retake(lender)
    slots.end()
    slots.settle(1)
    expect({ free: slots.free, freeAlone: slots.freeAlone }).toEqual({ free: 2, freeAlone: true })
  })

  it("gives way to one that waits to run alone, when nothing else runs and its turn has come", () => {
    let now = 0
    const slots = new Slots(
      3,
      () => true,
      () => now
    )
    const told: Array<string> = []
    const [alone, reader] = [() => told.push("alone"), { giveWay: () => told.push("gives way") }]
    slots.take(2)
    slots.onFreeAlone(alone)
    slots.lend(reader)
    expect(told).toEqual([])
    now += Limits.aloneTurnMs
    slots.end()
    slots.settle(1)
    slots.lookAgain()
    expect(told).toEqual([])
    now += Limits.aloneTurnMs
    slots.lookAgain()
    expect(told).toEqual(["gives way"])
    slots.retake(reader)
    slots.end()
    expect(slots.freeAlone).toBe(false)
    slots.settle(1)
    expect({ free: slots.free, freeAlone: slots.freeAlone, told }).toEqual({
      ...{ free: 0, freeAlone: true, told: ["gives way", "alone"] }
    })
  })

  it("gives way at once to one that begins to wait to run alone", () => {
    const slots = new Slots(1)
    let asked = 0
    slots.take(1)
    slots.lend({ giveWay: () => asked++ })
    expect(asked).toBe(0)
    slots.onFreeAlone(() => undefined)
    expect(asked).toBe(1)
  })
})
