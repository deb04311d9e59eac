import { createHmac, timingSafeEqual } from "node:crypto"
import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import type { HttpServerRequest } from "@effect/platform/HttpServerRequest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Engine } from "../Engine.js"
import { readSigned } from "./Body.js"
import { Api } from "./Contract.js"
import type { Unauthorized } from "./Errors.js"
import { onTheWire } from "./Failures.js"
import { answer } from "./Respond.js"
import { HttpSettings } from "./Settings.js"
import * as Shapes from "./Shapes.js"
import type { WebhookKey } from "./WebhookKeys.js"

/** One sentence for every reason, so that nobody learns which senders there are. */
const refused: Unauthorized = {
  _tag: "Unauthorized",
  message: "the signature is missing, wrong or too old, or nobody of this name may send"
}

/** Whether one of the signatures of a header is right; all are compared, each in constant time. */
const isSigned = (header: string, key: Uint8Array, signed: ReadonlyArray<string | Buffer>): boolean => {
  const mac = createHmac("sha256", key)
  for (const part of signed) mac.update(part)
  const right = mac.digest()
  return header
    .split(" ")
    .filter((each) => each.startsWith("v1,"))
    .map((each) => Buffer.from(each.slice(3), "base64"))
    .map((given) => given.length === right.length && timingSafeEqual(given, right))
    .includes(true)
}

/** What a sender says of an event, beside the event. */
const claimsOf = ({ headers }: HttpServerRequest) => {
  const { "webhook-id": id, "webhook-signature": signature, "webhook-timestamp": time } = headers
  return id === undefined || signature === undefined || time === undefined || !/^\d{1,12}$/.test(time)
    ? undefined
    : { id, signature, time }
}

/**
 * External events that their senders sign.
 *
 * **Details** As Standard Webhooks says: HMAC-SHA256 over id, time and the bytes of the body; the id is the `inputId`, so that
 * an event that is sent again changes nothing.
 */
export const layer = HttpApiBuilder.group(Api, "hooks", (handlers) =>
  Effect.gen(function* () {
    const engine = yield* Engine
    const { webhookToleranceMs, webhooks } = yield* HttpSettings

    /** Whether a sender may send there; a run that is not there is of no workflow, so that nobody learns which runs there are. */
    const maySend = ({ nodeId, workflow }: WebhookKey, to: { readonly runId: string; readonly nodeId: string }) => {
      if (workflow === undefined) return Effect.succeed(true)
      if (nodeId !== undefined && nodeId !== to.nodeId) return Effect.succeed(false)
      return onTheWire(engine.get(to.runId)).pipe(
        Effect.map((run) => run.workflow === workflow),
        Effect.catchTag("RunNotFound", () => Effect.succeed(false))
      )
    }

    return handlers.handleRaw("webhook", ({ path, request }) =>
      Effect.gen(function* () {
        const sender = webhooks.find(({ name }) => name === path.source)
        const claims = claimsOf(request)
        if (sender === undefined || claims === undefined) return yield* Effect.fail(refused)
        const now = yield* Clock.currentTimeMillis
        if (Math.abs(now - Number(claims.time) * 1_000) > webhookToleranceMs) return yield* Effect.fail(refused)
        const { bytes, json } = yield* readSigned(request)
        const signed = [claims.id, ".", claims.time, ".", bytes]
        if (!isSigned(claims.signature, Redacted.value(sender.key), signed)) return yield* Effect.fail(refused)
        if (!(yield* maySend(sender, path))) return yield* Effect.fail(refused)
        const payload = yield* json()
        const event = { runId: path.runId, nodeId: path.nodeId, inputId: claims.id, payload }
        const { accepted } = yield* onTheWire(engine.triggerEncoded(event))
        return yield* answer(Shapes.Accepted, { accepted }, accepted ? 202 : 200)
      })
    )
  })
)
