import { connect, createServer, type Socket } from "node:net"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import type * as Scope from "effect/Scope"

/** A TCP proxy before a database that can lose what passes. */
export interface Proxy {
  /** The database behind it. */
  readonly url: Redacted.Redacted
  /** The connections that are open stay so, and nothing passes any more; new ones are served. */
  readonly freeze: Effect.Effect<void>
  /** The same, and who connects is never answered, either. */
  readonly swallow: Effect.Effect<void>
  /** Nothing passes, on any connection, until it is told to go on; then everything that was said arrives. */
  readonly pause: Effect.Effect<void>
  readonly goOn: Effect.Effect<void>
}

/** Opens a proxy before a database, on a free port. */
export const openProxy = (database: Redacted.Redacted): Effect.Effect<Proxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const url = new URL(Redacted.value(database))
    const [host, target] = [url.hostname, Number(url.port)]
    const sockets = new Set<Socket>()
    let swallows = false
    let paused = false
    const keep = (socket: Socket) => sockets.add(socket.on("error", () => socket.destroy()))
    const server = createServer((near) => {
      keep(near)
      if (swallows) return
      const far = connect(target, host)
      keep(far)
      near.pipe(far)
      far.pipe(near)
      if (paused) for (const socket of [near, far]) socket.pause()
    })
    yield* Effect.addFinalizer(() =>
      Effect.sync(() => {
        server.close()
        for (const socket of sockets) socket.destroy()
      })
    )
    yield* Effect.async<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    })
    const address = server.address()
    url.hostname = "127.0.0.1"
    url.port = String(typeof address === "object" && address !== null ? address.port : 0)
    const freeze = Effect.sync(() => {
      for (const socket of sockets) socket.unpipe().pause()
    })
    const swallowNew = Effect.sync(() => {
      swallows = true
    })
    const pause = Effect.sync(() => {
      paused = true
      for (const socket of sockets) socket.pause()
    })
    const goOn = Effect.sync(() => {
      paused = false
      for (const socket of sockets) socket.resume()
    })
    return { url: Redacted.make(url.href), freeze, swallow: Effect.zipRight(swallowNew, freeze), pause, goOn }
  })
