import { existsSync } from "node:fs"
import { defineConfig } from "vitest/config"

/** Starts one PostgreSQL for all test files. */
const globalSetup = "test/support/globalSetup.ts"

const source = (path: string) => new URL(path, import.meta.url).pathname

export default defineConfig({
  // examples import the package by its name
  resolve: {
    alias: {
      "perdure/testing": source("src/testing/index.ts"),
      "perdure/client": source("src/client/index.ts"),
      "perdure/definition": source("src/definition/index.ts"),
      perdure: source("src/index.ts")
    }
  },
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: existsSync(new URL(globalSetup, import.meta.url)) ? [globalSetup] : [],
    // a hang fails; a slow machine does not
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // a test that crashes or leaks a handle takes only its own process along; two of them fill two cores
    pool: "forks",
    poolOptions: { forks: { minForks: 1, maxForks: 2 } },
    reporters: ["default"]
  }
})
