import { PgClient } from "@effect/sql-pg"
import { Context, Data, Effect, Layer, type Redacted, String as Str } from "effect"
import { Engine, Perdure } from "perdure"
import { AuditInOurTable } from "./audit.js"
import { Fulfilment, LabelHandler } from "./workflow.js"

/** Why an order was not placed. */
export class OutOfStock extends Data.TaggedError("OutOfStock")<{ readonly orderId: string }> {}

export interface NewOrder {
  readonly orderId: string
  readonly customerName: string
  readonly city: string
}

/** The application: it keeps orders in its own table and lets the engine do what comes after. */
export class Shop extends Context.Tag("example/Shop")<
  Shop,
  {
    /** The order's row and its run become true together, or neither does. */
    readonly place: (order: NewOrder, inStock: boolean) => Effect.Effect<void, OutOfStock>
    readonly label: (orderId: string) => Effect.Effect<string>
    readonly orders: Effect.Effect<ReadonlyArray<{ readonly orderId: string; readonly customerName: string }>>
  }
>() {}

const shop = Effect.gen(function* () {
  const sql = yield* PgClient.PgClient
  const engine = yield* Engine

  const place = (order: NewOrder, inStock: boolean) =>
    Effect.gen(function* () {
      yield* sql`insert into orders ${sql.insert({ orderId: order.orderId, customerName: order.customerName })}`
      const address = { customerName: order.customerName, city: order.city }
      yield* engine.start(Fulfilment, { address }, { runId: order.orderId })
      if (!inStock) yield* new OutOfStock({ orderId: order.orderId })
    }).pipe(
      (effect) => engine.inTransaction(sql, effect),
      Effect.catchAll((error) => (error._tag === "OutOfStock" ? Effect.fail(error) : Effect.die(error)))
    )

  return {
    place,
    label: (orderId: string) => Effect.map(Effect.orDie(engine.await(Fulfilment, orderId)), (output) => output.label),
    orders: sql<{ readonly orderId: string; readonly customerName: string }>`
      select order_id, customer_name from orders order by order_id`.pipe(Effect.orDie)
  }
})

/** The application's own client: its names are camel case in code and snake case in the database. */
const client = (url: Redacted.Redacted) =>
  PgClient.layer({ url, transformQueryNames: Str.camelToSnake, transformResultNames: Str.snakeToCamel })

const tables = Layer.effectDiscard(
  Effect.flatMap(
    PgClient.PgClient,
    (sql) => sql`
      create table if not exists orders (order_id text primary key, customer_name text not null);
      create table if not exists audit_lines (
        line_id bigint generated always as identity primary key, run_id text not null, line text not null
      )`
  )
)

/** Everything composed: the application's client beside the engine's own connections, and no HTTP. */
export const layer = (url: Redacted.Redacted) => {
  const stores = Layer.merge(Perdure.layerPostgres({ url, maxConnections: 5 }), AuditInOurTable)
  const engine = Fulfilment.layer.pipe(
    Layer.provide(LabelHandler),
    Layer.provideMerge(Perdure.layerEngine({ workerId: "shop", pollMs: 200 })),
    Layer.provide(stores)
  )
  return Layer.effect(Shop, shop).pipe(
    Layer.provideMerge(engine),
    Layer.provideMerge(tables),
    Layer.provideMerge(client(url))
  )
}
