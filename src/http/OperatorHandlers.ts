import * as HttpApiBuilder from "@effect/platform/HttpApiBuilder"
import * as HttpServerResponse from "@effect/platform/HttpServerResponse"
import * as Effect from "effect/Effect"
import { Operator } from "../Operator.js"
import { Api } from "./Contract.js"
import { docsPage } from "./DocsPage.js"
import { onTheWire } from "./Failures.js"
import { Metrics } from "./Metrics.js"
import { documentOf } from "./OpenApiDocument.js"
import * as OperatorShapes from "./OperatorShapes.js"
import { summaryOf } from "./Present.js"
import { answer } from "./Respond.js"

/** Runs in trouble that are shown unless the caller says how many. */
const shownTroubled = 50

/** The calls of operators. */
export const layer = HttpApiBuilder.group(Api, "operations", (handlers) =>
  Effect.gen(function* () {
    const operator = yield* Operator
    const metrics = yield* Metrics
    const document = documentOf(Api)
    const { html, policy } = docsPage(document)
    return handlers
      .handleRaw("workers", () =>
        Effect.flatMap(onTheWire(operator.workers), (workers) => answer(OperatorShapes.Workers, { workers }))
      )
      .handleRaw("stuck", ({ urlParams }) =>
        Effect.flatMap(onTheWire(operator.troubled(urlParams.limit ?? shownTroubled)), (runs) =>
          answer(OperatorShapes.Troubled, {
            runs: runs.map((run) => ({ ...summaryOf(run), explanation: run.explanation }))
          })
        )
      )
      .handleRaw("doctor", () =>
        Effect.flatMap(operator.diagnose, (findings) =>
          answer(OperatorShapes.Diagnosis, { ok: findings.every(({ ok }) => ok), findings })
        )
      )
      .handleRaw("metrics", () =>
        Effect.map(metrics.text, ({ body, contentType }) => HttpServerResponse.text(body, { contentType }))
      )
      .handleRaw("docs", () =>
        Effect.succeed(
          HttpServerResponse.text(html, {
            contentType: "text/html; charset=utf-8",
            headers: { "content-security-policy": policy }
          })
        )
      )
      .handleRaw("openapi", () => Effect.succeed(HttpServerResponse.unsafeJson(document)))
  })
)
