// Runs every `check:*` script of package.json, one after the other, and shows the output of those that fail.
// All of them run even if one fails: a reader wants the whole list at once.
import { spawnSync } from "node:child_process"
import { readFileSync } from "node:fs"

const { scripts } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8"))
const checks = Object.keys(scripts).filter((name) => name.startsWith("check:"))

const failed = checks.filter((name) => {
  const started = performance.now()
  const { status, error, stdout, stderr } = spawnSync("npm", ["run", "--silent", name], {
    encoding: "utf8",
    maxBuffer: 64 * 1024 * 1024,
    shell: process.platform === "win32",
    stdio: ["ignore", "pipe", "pipe"]
  })
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`${status === 0 ? "passed" : "FAILED"} ${name} (${seconds} s)`)
  if (status !== 0) console.log([error?.message, stdout, stderr].filter(Boolean).join("\n"))
  return status !== 0
})

console.log(failed.length === 0 ? `${checks.length} checks passed` : `failed: ${failed.join(", ")}`)
process.exitCode = failed.length === 0 ? 0 : 1
