import type { IncomingMessage } from "node:http"
import type { Socket } from "node:net"

/** What is still taken in of a body that nobody wants, so that its sender gets to read the answer. */
const lingerBytes = 64 * 1024 * 1024
const lingerMs = 10_000

/**
 * Throws away the rest of a body after its answer was sent, then lets the connection serve on.
 *
 * **Details** Closing at once would reset the connection, and the answer with it, under a client that still sends.
 * Nothing is kept; what goes on for too long is cut off.
 */
export const finishUpload = (request: IncomingMessage): void => {
  if (request.complete || request.destroyed) return
  let bytes = 0
  const timer = setTimeout(() => request.destroy(), lingerMs)
  request.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > lingerBytes) request.destroy()
  })
  request.once("close", () => clearTimeout(timer))
  request.once("end", () => clearTimeout(timer))
  request.resume()
}

const malformed = new Map([
  ["HPE_HEADER_OVERFLOW", "431 Request Header Fields Too Large"],
  ["ERR_HTTP_REQUEST_TIMEOUT", "408 Request Timeout"]
])

/** Answers what is not HTTP, or not in time. */
export const refuseMalformed = (error: Error & { readonly code?: string }, socket: Socket): void => {
  if (!socket.writable || error.code === "ECONNRESET") {
    socket.destroy()
    return
  }
  const status = malformed.get(error.code ?? "") ?? "400 Bad Request"
  const body = JSON.stringify({ _tag: "MalformedRequest", message: status.slice(4) })
  socket.end(
    `HTTP/1.1 ${status}\r\nconnection: close\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`
  )
}
