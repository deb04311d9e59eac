import { rmSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import { type BuildOptions, build, type Plugin } from "esbuild"

const source = dirname(fileURLToPath(import.meta.url))
const built = join(source, "..", ".build")

/** Where a child process finds its program. */
export const childProgram = join(built, "child.js")

const published = (external: boolean): Plugin => ({
  name: "published",
  setup: ({ onResolve }) => {
    onResolve({ filter: /^\.\.\/\.\.\/src\/index\.js$/ }, () => ({
      path: join(source, "..", "..", "dist", "index.js"),
      external
    }))
  }
})

/** What is not installed stays outside: packages that others load only when they are there. */
const optional: Plugin = {
  name: "optional",
  setup: ({ onResolve, resolve }) => {
    onResolve({ filter: /^[@a-z]/ }, async ({ pluginData, path, ...asked }) => {
      if (pluginData === "asked") return undefined
      const { errors, ...found } = await resolve(path, { ...asked, pluginData: "asked" })
      return errors.length > 0 ? { path, external: true } : { ...found, warnings: [] }
    })
  }
}

/** It reads files that lie beside its modules. */
const external = ["@electric-sql/pglite"]

/** Packages of CommonJS ask for the modules of Node as they are used to. */
const require = `import { createRequire } from "node:module"; const require = createRequire(import.meta.url)`

const javascript = (program: string, options: BuildOptions): Promise<unknown> =>
  build({
    entryPoints: [join(source, program)],
    outbase: source,
    outdir: built,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    logLevel: "warning",
    ...options
  })

/** One application: its own modules and those of every package that it uses, without what it doesn't use of them. */
const bundle = (program: string): Promise<unknown> =>
  javascript(program, { external, plugins: [published(false), optional], banner: { js: require } })

/** A server, as it is installed: nobody bundles one, and the modules of its packages are files. */
const installed = (program: string): Promise<unknown> =>
  javascript(program, { packages: "external", plugins: [published(true)] })

const own = ["child.ts", "perdure.ts", "streamChild.ts"]

/**
 * Turns what child processes run into plain JavaScript, in a folder that git ignores: each engine and its side of the harness into a
 * file of its own, as one builds an application that must start quickly. `peers` are their modules, those that are installed.
 *
 * **Details** It is written against the sources of Perdure and runs against `dist`: what is measured is what is published.
 */
export const buildChildren = async (peers: ReadonlyArray<string>): Promise<void> => {
  rmSync(built, { recursive: true, force: true })
  await Promise.all([...[...own, ...peers].map(bundle), installed("sleepersChild.ts")])
}
