import * as HttpApi from "@effect/platform/HttpApi"
import * as HttpApiEndpoint from "@effect/platform/HttpApiEndpoint"
import * as HttpApiGroup from "@effect/platform/HttpApiGroup"
import * as Schema from "effect/Schema"
import { Name, RunId } from "../model/Ids.js"
import * as Errors from "./Errors.js"
import * as Query from "./Query.js"
import { Public } from "./Routes.js"
import * as Shapes from "./Shapes.js"

const ofRun = Schema.Struct({ runId: RunId })
const ofNode = Schema.Struct({ runId: RunId, nodeId: Name })

const health = HttpApiGroup.make("health")
  .add(
    HttpApiEndpoint.get("healthz", "/healthz")
      .setUrlParams(Query.NoQuery)
      .addSuccess(Shapes.Healthy)
      .annotate(Public, true)
  )
  .add(
    HttpApiEndpoint.get("readyz", "/readyz")
      .setUrlParams(Query.NoQuery)
      .addSuccess(Shapes.Ready)
      .addError(Errors.NotReady)
      .annotate(Public, true)
  )

const workflows = HttpApiGroup.make("workflows").add(
  HttpApiEndpoint.get("workflows", "/api/workflows").setUrlParams(Query.NoQuery).addSuccess(Shapes.Workflows)
)

/** A call without a body of its own that asks something of a run. */
const command = <const Verb extends string>(verb: Verb) =>
  HttpApiEndpoint.post(verb, `/api/runs/:runId/${verb}`)
    .setPath(ofRun)
    .setUrlParams(Query.NoQuery)
    .setPayload(Shapes.Nothing)
    .addSuccess(Shapes.Status, { status: 202 })
    .addError(Errors.RunNotFound)
    .addError(Errors.CommandRefused)
    .addError(Errors.InvalidJson)
    .addError(Errors.BodyTooLarge)
    .addError(Errors.UnsupportedMediaType)

const runs = HttpApiGroup.make("runs")
  .add(
    HttpApiEndpoint.post("start", "/api/runs")
      .setUrlParams(Query.NoQuery)
      .setPayload(Shapes.StartRun)
      .addSuccess(Shapes.Started, { status: 201 })
      .addSuccess(Shapes.Started, { status: 200 })
      .addError(Errors.WorkflowNotFound)
      .addError(Errors.RunConflict)
      .addError(Errors.InvalidJson)
      .addError(Errors.BodyTooLarge)
      .addError(Errors.UnsupportedMediaType)
  )
  .add(HttpApiEndpoint.get("list", "/api/runs").setUrlParams(Query.ListRuns).addSuccess(Shapes.RunPage))
  .add(
    HttpApiEndpoint.get("run", "/api/runs/:runId")
      .setPath(ofRun)
      .setUrlParams(Query.NoQuery)
      .addSuccess(Shapes.Run)
      .addError(Errors.RunNotFound)
  )
  .add(
    HttpApiEndpoint.get("result", "/api/runs/:runId/result")
      .setPath(ofRun)
      .setUrlParams(Query.AwaitResult)
      .addSuccess(Shapes.Result)
      .addSuccess(Shapes.Status, { status: 202 })
      .addError(Errors.RunNotFound)
  )
  .add(
    HttpApiEndpoint.post("trigger", "/api/runs/:runId/triggers/:nodeId")
      .setPath(ofNode)
      .setUrlParams(Query.NoQuery)
      .setPayload(Shapes.SendTrigger)
      .addSuccess(Shapes.Accepted, { status: 202 })
      .addSuccess(Shapes.Accepted, { status: 200 })
      .addError(Errors.RunNotFound)
      .addError(Errors.NodeNotFound)
      .addError(Errors.WorkflowNotFound)
      .addError(Errors.RunEnded)
      .addError(Errors.InvalidJson)
      .addError(Errors.BodyTooLarge)
      .addError(Errors.UnsupportedMediaType)
  )
  .add(command("cancel"))
  .add(command("pause"))
  .add(command("resume"))
  .add(
    HttpApiEndpoint.get("events", "/api/runs/:runId/events")
      .setPath(ofRun)
      .setUrlParams(Query.ListEvents)
      .addSuccess(Shapes.Events)
      .addError(Errors.RunNotFound)
  )

/** The HTTP API: every path, what it takes, what it gives and how it fails. */
export const Api = HttpApi.make("perdure")
  .add(health)
  .add(workflows)
  .add(runs)
  .addError(Errors.InvalidInput)
  .addError(Errors.DatabaseUnavailable)
  .addError(Errors.InternalError)
