/** The little of the HTTP API that the demo uses. */
export interface RunSummary {
  readonly runId: string
  readonly status: string
}

export interface RunDetail extends RunSummary {
  readonly output?: { readonly receipt: { readonly status: string } }
  readonly nodes: ReadonlyArray<{ readonly nodeId: string; readonly status: string; readonly firing: number }>
}

const call = async <A>(url: string, body?: unknown): Promise<A> => {
  const response = await fetch(url, {
    ...(body === undefined
      ? {}
      : { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) }),
    signal: AbortSignal.timeout(15_000)
  })
  if (!response.ok) throw new Error(`${url}: ${response.status} ${await response.text()}`)
  return (await response.json()) as A
}

/** Calls that are safe to repeat: a start by its run id, a trigger by its input id. */
export const api = (url: string) => ({
  start: (runId: string, order: unknown) =>
    call<RunSummary>(`${url}/api/runs`, { workflow: "order", runId, input: { order } }),
  approve: (runId: string, approved: boolean) =>
    call(`${url}/api/runs/${runId}/triggers/approval`, { inputId: "demo", payload: { approved, by: "demo" } }),
  list: async () => (await call<{ runs: ReadonlyArray<RunSummary> }>(`${url}/api/runs?workflow=order&limit=500`)).runs,
  get: (runId: string) => call<RunDetail>(`${url}/api/runs/${runId}`)
})
