import type { TestProject } from "vitest/node"
import { startServer } from "./postgresServer.js"

declare module "vitest" {
  interface ProvidedContext {
    /** Connects to the server that all test files share. */
    postgresUrl: string
  }
}

/** Starts one server for a run of tests; what this gives stops it. */
export const setup = async (project: TestProject): Promise<() => Promise<void>> => {
  const server = await startServer()
  project.provide("postgresUrl", server.url)
  return server.dispose
}
