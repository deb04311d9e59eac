import { Effect, Layer, Schema } from "effect"
import { Engine, Input, Node, Output, Perdure, Workflow } from "perdure"

const { Number: N } = Schema

const Rates = Node.make("rates", { inputs: { n: N }, outputs: { rate: Output.many(N) } })
const Fetch = Node.make("fetch", { inputs: { page: N }, outputs: { size: N }, concurrency: 4 })
const Pages = Node.make("pages", { inputs: { n: N }, outputs: { page: Output.many(N) } })

/** Priced anew whenever a size or a rate comes. */
const Price = Node.make("price", { inputs: { size: Input.latest(N), rate: Input.latest(N) }, outputs: { price: N } })

/** Stored as they come: a slow page holds up nobody. */
const Store = Node.make("store", { inputs: { size: Input.unordered(N) }, outputs: { stored: N } })

const Prices = Workflow.make("prices", { version: 1, input: { n: N } })
  .node("rates", Rates, ({ input }) => ({ n: input.n }))
  .node("pages", Pages, ({ input }) => ({ n: input.n }))
  .node("fetch", Fetch, ({ pages }) => ({ page: pages.page }))
  .node("store", Store, ({ fetch }) => ({ size: fetch.size }))
  .node("price", Price, ({ fetch, rates }) => ({ size: fetch.size, rate: rates.rate }))
  .output(({ price, store }) => ({ prices: price.price, stored: store.stored }))

const upTo = (n: number) => Array.from({ length: n }, (_, index) => index + 1)

const App = Prices.layer.pipe(
  Layer.provide([
    Rates.toLayer(({ n }) => Effect.succeed({ rate: upTo(n).map((each) => each / 10) })),
    Pages.toLayer(({ n }) => Effect.succeed({ page: upTo(n) })),
    Fetch.toLayer(({ page }) => Effect.delay(Effect.succeed({ size: page * 100 }), `${50 - page * 10} millis`)),
    Store.toLayer(({ size }) => Effect.succeed({ stored: size })),
    Price.toLayer(({ rate, size }) => Effect.succeed({ price: size * rate }))
  ]),
  Layer.provideMerge(Perdure.layerEngine()),
  Layer.provide(Perdure.layerEmbedded())
)

const program = Effect.gen(function* () {
  const engine = yield* Engine
  const { runId } = yield* engine.start(Prices, { n: 3 }, { runId: "prices-1" })
  yield* Effect.log(yield* engine.await(Prices, runId))
})

await Effect.runPromise(program.pipe(Effect.provide(App)))
