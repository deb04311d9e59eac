import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { dirname, join } from "node:path"
import { fileURLToPath } from "node:url"
import ts from "typescript"

const source = dirname(fileURLToPath(import.meta.url))
const built = join(source, "..", ".build")

/** Where a child process finds its program. */
export const childProgram = join(built, "child.js")

/**
 * Turns what child processes run into plain JavaScript, in a folder that git ignores.
 *
 * **Details** It is written against the sources of Perdure and runs against `dist`: what is measured is what is published.
 */
export const buildChildren = (): void => {
  rmSync(built, { recursive: true, force: true })
  for (const folder of [".", "peers"]) {
    mkdirSync(join(built, folder), { recursive: true })
    for (const name of readdirSync(join(source, folder)).filter((file) => file.endsWith(".ts"))) {
      const { outputText } = ts.transpileModule(readFileSync(join(source, folder, name), "utf8"), {
        fileName: name,
        compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true }
      })
      writeFileSync(join(built, folder, name.replace(/ts$/, "js")), outputText.replaceAll("../../src/", "../../dist/"))
    }
  }
}
