import { createHash } from "node:crypto"
import type * as OpenApi from "@effect/platform/OpenApi"

const style = `
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c1c;background:#fff}
h1{margin-bottom:0}h2{margin-top:2.5rem;border-bottom:1px solid #ddd}code,pre{font:14px ui-monospace,monospace}
pre{background:#f5f5f5;padding:.75rem;overflow:auto;border-radius:4px}section{margin:1.5rem 0}
.method{display:inline-block;min-width:3.5rem;font-weight:600}.access{color:#666;font-size:.85rem}
table{border-collapse:collapse}td,th{text-align:left;padding:.15rem 1rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{color:#eee;background:#161616}pre{background:#242424}h2{border-color:#444}.access{color:#aaa}}
`

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;"
}

const escaped = (text: string): string => text.replaceAll(/[&<>"']/g, (character) => entities[character] ?? "")

const json = (value: unknown): string => `<pre>${escaped(JSON.stringify(value, null, 2))}</pre>`

const schemaOf = (content: object | undefined): unknown => {
  const [media] = Object.values(content ?? {}) as ReadonlyArray<{ readonly schema?: unknown } | undefined>
  return media?.schema
}

const nameOf = (schema: unknown): string =>
  typeof schema === "object" && schema !== null && "$ref" in schema ? String(schema.$ref).split("/").at(-1)! : ""

/** What an answer can be, in short. */
const shownAnswer = (schema: unknown): string => {
  if (typeof schema === "object" && schema !== null && "anyOf" in schema && Array.isArray(schema.anyOf)) {
    return schema.anyOf.map(nameOf).filter(Boolean).join(", ")
  }
  return nameOf(schema)
}

const answers = (operation: OpenApi.OpenAPISpecOperation): string =>
  Object.entries(operation.responses ?? {})
    .map(([status, response]) => {
      const schema = schemaOf(response.content)
      const shown = shownAnswer(schema)
      const detail = shown === "" && schema !== undefined ? json(schema) : escaped(shown)
      return `<tr><th>${escaped(status)}</th><td>${detail}</td></tr>`
    })
    .join("")

const parameters = (operation: OpenApi.OpenAPISpecOperation): string => {
  const rows = operation.parameters.map(
    ({ description, in: where, name, required }) =>
      `<tr><td><code>${escaped(name)}</code></td><td>${escaped(where)}${required ? ", required" : ""}</td><td>${escaped(description ?? "")}</td></tr>`
  )
  return rows.length === 0 ? "" : `<table>${rows.join("")}</table>`
}

const shownOperation = (path: string, method: string, operation: OpenApi.OpenAPISpecOperation): string => {
  const access = "x-access" in operation ? String(operation["x-access"]) : ""
  const body = operation.requestBody === undefined ? "" : `<p>Body</p>${json(schemaOf(operation.requestBody.content))}`
  return `<section id="${escaped(operation.operationId)}">
<h3><span class="method">${method.toUpperCase()}</span> <code>${escaped(path)}</code> <span class="access">${escaped(access)}</span></h3>
<p>${escaped(operation.summary ?? "")}</p>${parameters(operation)}${body}
<p>Answers</p><table>${answers(operation)}</table></section>`
}

/**
 * The documentation of the API as one page: no script, nothing from elsewhere.
 *
 * **Details** `policy` is the content security policy under which it is shown: it admits its own style by its hash, and nothing
 * else.
 */
export const docsPage = (spec: OpenApi.OpenAPISpec): { readonly html: string; readonly policy: string } => {
  const operations = Object.entries(spec.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]: [string, OpenApi.OpenAPISpecOperation]) =>
      shownOperation(path, method, operation)
    )
  )
  const schemas = Object.entries(spec.components.schemas).map(
    ([name, schema]) => `<section id="${escaped(name)}"><h3>${escaped(name)}</h3>${json(schema)}</section>`
  )
  const html = `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Perdure API</title>
<style>${style}</style></head><body><h1>Perdure API</h1>
<p>The same for programs: <a href="openapi.json">openapi.json</a>. Where tokens are set, send
<code>authorization: Bearer …</code>; beside each call stands the scope it takes.</p>
<h2>Calls</h2>${operations.join("\n")}
<h2>Shapes</h2>${schemas.join("\n")}</body></html>
`
  const hash = createHash("sha256").update(style, "utf8").digest("base64")
  return {
    html,
    policy: `default-src 'none'; style-src 'sha256-${hash}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`
  }
}
