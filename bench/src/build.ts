import { readdirSync, rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath, pathToFileURL } from "node:url"
import { build, type Plugin } from "esbuild"

const source = dirname(fileURLToPath(import.meta.url))
const built = join(source, "..", ".build")

/** Where a child process finds its program. */
export const childProgram = join(built, "child.js")

const modulesIn = (folder: string): ReadonlyArray<string> =>
  readdirSync(join(source, folder))
    .filter((file) => file.endsWith(".ts"))
    .map((file) => join(source, folder, file))

const published: Plugin = {
  name: "published",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.\/\.\.\/src\/index\.js$/ }, () => ({
      path: pathToFileURL(join(source, "..", "..", "dist", "index.js")).href,
      external: true
    }))
  }
}

/**
 * Turns what child processes run into plain JavaScript, in a folder that git ignores.
 *
 * **Details** It is written against the sources of Perdure and runs against `dist`: what is measured is what is published.
 */
export const buildChildren = async (): Promise<void> => {
  rmSync(built, { recursive: true, force: true })
  await build({
    entryPoints: [...modulesIn("."), ...modulesIn("peers")],
    outbase: source,
    outdir: built,
    bundle: true,
    splitting: true,
    packages: "external",
    plugins: [published],
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning"
  })
}
