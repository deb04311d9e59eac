import { parks } from "./parks.js"

parks("E8 a step that exhausts the memory of its process parks", "memory", { memory: 96 })
