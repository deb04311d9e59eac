// node .ci/summary.mjs <report of vitest> <exit code of the tests> <exit code of the checks> <exit code of the soak>
//
// Prints "N passed, N failed". `npm run check` and the soak count as one each; so does a test file that could not run, and a test run
// that failed without saying where (an unhandled error, a crash before the report was written).
import { existsSync, readFileSync } from "node:fs"

const [report, testCode, ...otherCodes] = process.argv.slice(2)

const { numPassedTests, numFailedTests, testResults } =
  report !== undefined && existsSync(report) && readFileSync(report, "utf8") !== ""
    ? JSON.parse(readFileSync(report, "utf8"))
    : { numPassedTests: 0, numFailedTests: 0, testResults: [] }

const isFileThatCouldNotRun = ({ status, assertionResults }) =>
  status === "failed" && assertionResults.every((assertion) => assertion.status !== "failed")

const failedTests = numFailedTests + testResults.filter(isFileThatCouldNotRun).length
const otherFailures = otherCodes.filter((code) => code !== "0").length
const failed = Math.max(failedTests, testCode === "0" ? 0 : 1) + otherFailures
const passed = numPassedTests + otherCodes.length - otherFailures

console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
