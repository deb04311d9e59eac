import { describe, expect, it, vi } from "@effect/vitest"
import * as FastCheck from "effect/FastCheck"
import type { Engine } from "../../src/postgres/embedded/Engine.js"
import {
  FrontendMessages,
  type FrontendPiece,
  ProtocolViolation,
  queryMessage,
  startupMessage,
  syncMessage
} from "../../src/postgres/embedded/FrontendMessages.js"
import { type EmbeddedDatabaseStopped, type Guest, SessionGate } from "../../src/postgres/embedded/SessionGate.js"

const terminate = Buffer.from([0x58, 0, 0, 0, 4])
const parse = Buffer.from([0x50, 0, 0, 0, 8, 0, 0, 0, 0])

const stream = Buffer.concat([
  Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]),
  startupMessage("u", "d"),
  queryMessage("select 1"),
  parse,
  syncMessage,
  queryMessage("x".repeat(300)),
  terminate
])

/** What was cut, without where it was cut. */
const content = (pieces: ReadonlyArray<FrontendPiece>) => {
  const messages = pieces.flatMap((piece) => (piece.kind === "messages" ? [piece] : []))
  return {
    kinds: pieces.map((piece) => piece.kind).filter((kind) => kind !== "messages"),
    bytes: Buffer.concat(messages.map(({ bytes }) => bytes)).toString("hex"),
    answers: messages.reduce((sum, { answers }) => sum + answers, 0)
  }
}

describe("the messages of a client", () => {
  it("are the same however they are split over writes", async () => {
    const whole = content(new FrontendMessages().push(stream))
    expect(whole).toMatchObject({ kinds: ["encryptionRequest", "startup", "terminate"], answers: 3 })
    const property = FastCheck.property(FastCheck.array(FastCheck.nat(stream.length)), (positions) => {
      const cuts = [0, ...positions.sort((a, b) => a - b), stream.length]
      const messages = new FrontendMessages()
      const pieces = cuts.flatMap((cut, index) => messages.push(stream.subarray(cut, cuts[index + 1] ?? cut)))
      expect(content(pieces)).toEqual(whole)
    })
    await FastCheck.assert(property)
    const messages = new FrontendMessages()
    expect(content([...stream].flatMap((byte) => messages.push(Buffer.from([byte]))))).toEqual(whole)
  })

  it("are never given to the engine when they are none", () => {
    const started = () => {
      const messages = new FrontendMessages()
      messages.push(startupMessage("u", "d"))
      return messages
    }
    for (const bytes of [
      Buffer.from([0x7a, 0, 0, 0, 4]),
      Buffer.from([0x51, 0, 0, 0, 2]),
      Buffer.from([0x51, 127, 1, 1, 1])
    ]) {
      expect(() => started().push(bytes)).toThrow(ProtocolViolation)
    }
    expect(() => new FrontendMessages().push(Buffer.from("GET / HTTP/1.1\r\n"))).toThrow(ProtocolViolation)
    expect(() => new FrontendMessages().push(Buffer.from([0, 0, 0, 8, 0, 2, 0, 0]))).toThrow(ProtocolViolation)
  })
})

describe("the gate before an engine", () => {
  const ready = Buffer.from([0x5a, 0, 0, 0, 5, 0x49])

  /** An engine that becomes ready as often as it is told to. */
  const engineOf = (answer: (messages: Uint8Array) => Buffer): Engine => ({
    exchange: async (messages) => answer(messages),
    dump: async () => new Blob([]),
    close: async () => undefined
  })

  const guest = () => {
    let letIn: () => void = () => undefined
    let turnAway: (error: Error) => void = () => undefined
    const admitted = new Promise<void>((resolve, reject) => {
      letIn = () => resolve()
      turnAway = reject
    })
    admitted.catch(() => undefined)
    const one: Guest = { letIn: () => letIn(), turnAway: (error) => turnAway(error) }
    return { guest: one, admitted }
  }

  it("takes an engine that answers too little for failed, and turns everybody away", async () => {
    const failures: Array<EmbeddedDatabaseStopped> = []
    const gate = new SessionGate(
      engineOf(() => ready),
      (failure) => failures.push(failure)
    )
    const [first, second] = [guest(), guest()]
    gate.enter(first.guest)
    gate.enter(second.guest)
    await first.admitted
    expect(await gate.exchange(first.guest, queryMessage("select 1"), 1)).toEqual(ready)
    await expect(gate.exchange(first.guest, queryMessage("select 1"), 2)).rejects.toThrow("it did not answer")
    await expect(second.admitted).rejects.toThrow("it did not answer")
    const third = guest()
    gate.enter(third.guest)
    gate.leave(first.guest)
    await expect(third.admitted).rejects.toThrow("it did not answer")
    expect(failures).toHaveLength(1)
  })

  it("lets nobody in before the one before has left and the session is clean", async () => {
    const said: Array<string> = []
    const engine = engineOf((messages) => {
      said.push(Buffer.from(messages).toString("latin1"))
      return Buffer.concat([ready, ready, ready])
    })
    const gate = new SessionGate(engine, () => undefined)
    const [first, second] = [guest(), guest()]
    gate.enter(first.guest)
    gate.enter(second.guest)
    await first.admitted
    const last = gate.exchange(first.guest, queryMessage("last"), 1)
    gate.leave(first.guest)
    await last
    await second.admitted
    expect(said).toHaveLength(2)
    expect(said[0]).toMatch("last")
    expect(said[1]).toMatch(/rollback.*discard all/s)
    await expect(gate.exchange(first.guest, queryMessage("late"), 1)).rejects.toThrow("given up")
    await gate.close()
  })

  it("refuses a guest whose turn does not come, and keeps the one that is in", async () => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] })
    try {
      const engine = engineOf(() => ready)
      const gate = new SessionGate(engine, () => undefined)
      const [first, second] = [guest(), guest()]
      gate.enter(first.guest)
      gate.enter(second.guest)
      await first.admitted
      vi.advanceTimersByTime(10_000)
      await expect(second.admitted).rejects.toThrow("one connection only")
      expect(await gate.exchange(first.guest, queryMessage("select 1"), 1)).toEqual(ready)
    } finally {
      vi.useRealTimers()
    }
  })
})
