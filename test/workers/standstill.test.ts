import { parks } from "./parks.js"

parks("E8 a step that never gives way is ended with its process by the watchdog, and parks", "loop", {
  standstillMs: 2_000,
  settings: { leaseMs: 60_000, heartbeatMs: 1_000 }
})
