import * as Either from "effect/Either"
import { readConfiguration, settingsHelp } from "./cli/config.js"
import { complain } from "./cli/Printing.js"
import { runServer } from "./cli/Process.js"
import { example } from "./cli/Server.js"

const usage = `Runs the Perdure server with the bundled example workflow.

Usage: npm start

Settings are environment variables (default in parentheses):
${settingsHelp()}
`

const main = (): void => {
  if (process.argv.includes("--help")) {
    process.stdout.write(usage)
    return
  }
  Either.match(readConfiguration(process.env), {
    onLeft: (problems) => {
      problems.forEach(complain)
      process.exitCode = 1
    },
    onRight: (reading) => runServer(reading, example(reading.configuration))
  })
}

main()
