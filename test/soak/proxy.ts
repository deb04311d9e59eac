import { connect, createServer, type Server, type Socket } from "node:net"
import { Answers, Frames } from "./frames.js"

/** What the way between a process and the database does to what passes. */
export type Weather =
  | { readonly _tag: "fair" }
  /** Each message takes so long, in both directions. */
  | { readonly _tag: "delay"; readonly ms: number }
  /** Nothing passes in this direction any more; it waits. New connections are not answered either. */
  | { readonly _tag: "halfOpen"; readonly direction: "toServer" | "toClient" }
  /** Each connection breaks after so many bytes from the server. */
  | { readonly _tag: "cut"; readonly afterBytes: number }
  /** The answer to a commit is lost: with its connection, or the connection stays and is silent. */
  | { readonly _tag: "lostCommit"; readonly silent: boolean }

/** In which a connection says what it is for, to the server and to whoever reads along. */
const hintsName = "perdure wake-ups"

/** One connection through the proxy. */
class Way {
  private readonly frames = new Frames()
  private readonly answers = new Answers()
  private passed = 0
  private opening = true
  /** Whether the server has let the client in: before, each side waits for the other in the middle of an answer. */
  private isOpen = false
  private held: Array<Buffer> = []
  private waiting: Array<() => void> = []
  private lastArrival: Promise<void> = Promise.resolve()
  /** Messages that are late; what comes after them does not overtake them. */
  private late = 0
  isForHints = false
  /** Something that was sent has not arrived and never will. */
  isBroken = false
  private readonly far: Socket

  constructor(
    private readonly near: Socket,
    target: number,
    private readonly proxy: TcpProxy
  ) {
    this.far = connect(target, "127.0.0.1")
    for (const socket of [near, this.far]) {
      socket.setNoDelay(true)
      socket.on("error", () => this.close())
      socket.on("close", () => this.close())
    }
    near.on("data", (chunk: Buffer) => this.toServer(chunk))
    this.far.on("data", (chunk: Buffer) => this.toClient(chunk))
  }

  close(): void {
    this.near.destroy()
    this.far.destroy()
    this.proxy.ways.delete(this)
  }

  /** What waited passes now, in its order. */
  release(): void {
    for (const pass of this.waiting.splice(0)) pass()
  }

  private toServer(chunk: Buffer): void {
    if (this.opening) this.isForHints = chunk.includes(hintsName)
    this.opening = false
    this.pass("toServer", () => this.far.write(chunk))
  }

  private toClient(chunk: Buffer): void {
    const { weather } = this.proxy
    this.passed += chunk.length
    if (weather._tag === "cut" && this.passed > weather.afterBytes) return this.close()
    for (const frame of this.frames.push(chunk)) this.message(frame)
  }

  /** Answers are kept together while the answer to a commit may get lost. */
  private message(frame: Buffer): void {
    const { weather } = this.proxy
    const { commits, ends } = this.answers.see(frame)
    this.held.push(frame)
    const talksOn = weather._tag === "lostCommit" && this.isOpen && !ends
    this.isOpen ||= ends
    if (talksOn) return
    const answer = this.held.length === 1 ? frame : Buffer.concat(this.held)
    this.held = []
    if (weather._tag === "lostCommit" && commits && this.proxy.loses()) {
      this.isBroken = true
      if (!weather.silent) this.close()
      return
    }
    this.pass("toClient", () => this.near.write(answer))
  }

  private pass(direction: "toServer" | "toClient", deliver: () => void): void {
    const { hintsOff, weather } = this.proxy
    if (this.isBroken) return
    if (hintsOff && this.isForHints) {
      this.isBroken = true
      return
    }
    if (weather._tag === "halfOpen" && weather.direction === direction) {
      this.proxy.swallowed++
      this.waiting.push(deliver)
      return
    }
    if (weather._tag !== "delay" && this.late === 0) return deliver()
    const ms = weather._tag === "delay" ? weather.ms : 0
    const arrival = new Promise<void>((resolve) => setTimeout(resolve, ms))
    this.late++
    this.lastArrival = Promise.all([this.lastArrival, arrival]).then(() => {
      this.late--
      deliver()
    })
  }
}

/** A TCP proxy of ours before the database: what passes can be late, stand still, get lost or be cut off. */
export class TcpProxy {
  readonly ways = new Set<Way>()
  weather: Weather = { _tag: "fair" }
  hintsOff = false
  private turn: Promise<unknown> = Promise.resolve()
  /** Acknowledgements that may still be lost in this weather, and those that were. */
  private toLose = 0
  lost = 0
  swallowed = 0

  private constructor(
    private readonly server: Server,
    /** Where it listens. */
    readonly port: number
  ) {}

  static open(target: number): Promise<TcpProxy> {
    return new Promise((resolve, reject) => {
      const server = createServer((near) => {
        proxy?.ways.add(new Way(near, target, proxy))
      }).once("error", reject)
      let proxy: TcpProxy | undefined
      server.listen(0, "127.0.0.1", () => {
        const address = server.address()
        proxy = new TcpProxy(server, typeof address === "object" && address !== null ? address.port : 0)
        resolve(proxy)
      })
    })
  }

  /** One weather at a time. */
  alone<A>(use: () => Promise<A>): Promise<A> {
    const mine = this.turn.then(use)
    this.turn = mine.catch(() => undefined)
    return mine
  }

  /** Loses the acknowledgements of so many commits. */
  lose(count: number, silent: boolean): void {
    this.toLose = count
    this.weather = { _tag: "lostCommit", silent }
  }

  /** Whether this acknowledgement is lost. */
  loses(): boolean {
    if (this.toLose === 0) return false
    this.toLose--
    this.lost++
    return true
  }

  /** Fair again. What stood still comes late, or its connections break; those that lost something break. */
  clear(options: { readonly reset: boolean }): void {
    this.weather = { _tag: "fair" }
    this.toLose = 0
    for (const way of [...this.ways]) {
      if (options.reset || way.isBroken) way.close()
      else way.release()
    }
  }

  /** Hints pass again, over new connections. */
  hearAgain(): void {
    this.hintsOff = false
    for (const way of [...this.ways]) if (way.isForHints && way.isBroken) way.close()
  }

  close(): void {
    this.server.close()
    for (const way of [...this.ways]) way.close()
  }
}
