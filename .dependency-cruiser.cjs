// Which folder may import which: model <- definition <- store <- runtime <- Engine.ts <- http, cli.
// `test/directions.test.ts` proves that every rule fires.

/** What a layer may import from `src`, by the folders below it. */
const layer = (name, comment, from, allowed) => ({
  name,
  comment,
  severity: "error",
  from: { path: from },
  to: { path: "^src/", pathNot: allowed }
})

/** A package, resolved or not. */
const packages = (names) => `(^|/)node_modules/(${names})/|^(${names})(/|$)`

const compositionRoots = "^src/(main|index|layers)\\.ts$|^src/(cli|testing|example)/|^src/http/server[^/]*\\.ts$"
/** The facade: its interface and, in a folder, what is behind it. */
const engine = "^src/(Engine|Operator)\\.ts$|^src/engine/"

/** Who passes a caller's transaction on. */
const joins = `${engine}|^src/store/Transactor\\.ts$`

const databaseClients = packages("pg|@electric-sql/pglite|@effect/sql[^/]*")

module.exports = {
  forbidden: [
    layer("model-imports-nothing", "Pure data that every other folder speaks of.", "^src/model/", "^src/model/"),
    layer(
      "definition-above-model",
      "Workflows are defined without a database and without a runtime.",
      "^src/definition/",
      "^src/(model|definition)/"
    ),
    layer(
      "store-above-definition",
      "Ports say what is stored, not how, nor who calls them.",
      "^src/store/",
      "^src/(model|definition|store)/"
    ),
    layer(
      "runtime-above-store",
      "The runtime knows ports only, so that it runs on any adapter and under the crash explorer.",
      "^src/runtime/",
      "^src/(model|definition|store|runtime)/"
    ),
    layer(
      "postgres-implements-ports",
      "An adapter that knew the runtime could decide; it must only store.",
      "^src/postgres/",
      "^src/(model|definition|store|postgres)/"
    ),
    layer(
      "engine-above-runtime",
      "The facade is complete without HTTP, commands and a choice of database.",
      engine,
      `^src/(model|definition|store|runtime)/|${engine}`
    ),
    layer(
      "client-knows-no-server",
      "What a page loads: definitions, the contract, and how values are encoded.",
      "^src/client/",
      "^src/(model|definition|client)/|^src/Engine\\.ts$|^src/engine/(Requests|Results)\\.ts$|^src/http/(Contract|Errors|Query|Shapes|OperatorShapes)\\.ts$"
    ),
    {
      name: "http-and-cli-on-top",
      comment: "HTTP handlers speak to the engine; what starts a process is above them.",
      severity: "error",
      from: { path: "^src/http/", pathNot: compositionRoots },
      to: { path: "^src/(cli|testing|example)/|^src/(main|index|layers)\\.ts$|^src/http/server[^/]*\\.ts$" }
    },
    {
      name: "adapters-only-in-roots",
      comment: "Who imports an adapter has chosen the database; only composition roots choose.",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/postgres/|${compositionRoots}` },
      to: { path: "^src/postgres/" }
    },
    {
      name: "database-clients-only-in-postgres",
      comment: "SQL, sessions and their traps stay behind the ports.",
      severity: "error",
      from: { path: "^src/", pathNot: `^src/postgres/|${joins}` },
      to: { path: databaseClients }
    },
    {
      name: "engine-knows-sql-by-type",
      comment:
        "Engine.inTransaction takes the caller's SqlClient down to the transactor: a type, not an import that runs.",
      severity: "error",
      from: { path: joins },
      to: { path: databaseClients, dependencyTypesNot: ["type-only"] }
    },
    {
      name: "engine-knows-no-driver",
      comment: "Not even by type: an application may bring any SqlClient for PostgreSQL.",
      severity: "error",
      from: { path: joins },
      to: { path: packages("pg|@electric-sql/pglite|@effect/sql-[^/]*") }
    },
    {
      name: "definitions-run-in-a-browser",
      comment: "A client shares definitions with the server; neither Node nor a platform package is there.",
      severity: "error",
      from: { path: "^src/(model|definition)/" },
      to: { dependencyTypes: ["core", "npm", "npm-no-pkg", "unknown"], pathNot: packages("effect") }
    },
    {
      name: "barrel-is-for-users",
      comment: "Inside, import the module: a barrel in the graph makes cycles and loads everything.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^src/(index|main)\\.ts$" }
    },
    {
      name: "test-kit-is-a-leaf",
      comment: "What serves tests must not run in a server.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/testing/" },
      to: { path: "^src/testing/" }
    },
    {
      name: "src-stands-alone",
      comment: "What is shipped can't import what is not.",
      severity: "error",
      from: { path: "^src/" },
      to: { path: "^(test|examples|bench)/" }
    },
    {
      name: "no-dev-dependency-in-src",
      comment: "It would be missing where the package is installed.",
      severity: "error",
      from: { path: "^src/" },
      to: { dependencyTypes: ["npm-dev"], pathNot: packages("@effect/opentelemetry") }
    },
    {
      name: "optional-peers-apart",
      comment: "Who does not have it must not load it: only an entry of its own may.",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/opentelemetry/" },
      to: { path: packages("@effect/opentelemetry") }
    },
    {
      name: "no-cycle",
      comment: "Two modules that need each other are one idea in two files, or one idea too many.",
      severity: "error",
      from: {},
      to: { circular: true }
    },
    {
      name: "resolvable",
      comment: "An import that leads nowhere escapes every rule above.",
      severity: "error",
      from: {},
      to: { couldNotResolve: true }
    }
  ],
  options: {
    tsConfig: { fileName: "tsconfig.json" },
    // a type is a dependency too: directions are about who knows whom
    tsPreCompilationDeps: true,
    doNotFollow: { path: "node_modules" },
    enhancedResolveOptions: { conditionNames: ["import", "node", "default", "types"], exportsFields: ["exports"] }
  }
}
