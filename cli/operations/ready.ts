import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { isIPv6 } from 'node:net'
import { setTimeout } from 'node:timers/promises'
import { uriHost } from '../../lib/kit/address.ts'
import { CwError } from '../../lib/kit/errors.ts'

/** A door that has to answer: OPTIONS over UDP, or GET /ping, also by 503: what it needs may come later. */
export interface Door {
  readonly name: string
  readonly kind: 'sip' | 'http'
  readonly host: string
  readonly port: number
  /** What a SIP node calls itself, where it is asked on another address. */
  readonly selfName?: string
}

const ATTEMPT_MS = 500
const PATIENT_ATTEMPTS = 3
const PATIENT_ATTEMPT_MS = 2000
const BETWEEN_MS = 50
const SILENT = 'does not answer'

/**
 * Returns once every door has answered.
 *
 * @throws CwError NOT_READY, which names those that did not within the time.
 */
export async function readyCheck(doors: readonly Door[], withinMs: number): Promise<void> {
  const deadline = performance.now() + withinMs
  const reasons = await Promise.all(doors.map(door => whyNotReady(door, deadline)))
  const silent = doors.flatMap((door, index) => {
    const reason = reasons[index]
    return reason === undefined ? [] : [`${door.name} (${hostPort(door.host, door.port)}) ${reason}`]
  })
  if (silent.length === 0) return
  throw new CwError(
    'NOT_READY',
    `not everything answered within ${withinMs / 1000} s, so it was stopped again`,
    {
      why: silent.join('; '),
      changed: 'nothing',
      remedies: ['look closer with: --log-level debug', 'see if a firewall is in the way'],
    },
  )
}

/** Whether each door answers; patient, since a flooded one still lives. What the answer says does not matter. */
export async function answersAll(doors: readonly Door[]): Promise<boolean> {
  const answers = await Promise.all(doors.map(answersAtAll))
  return answers.every(Boolean)
}

async function answersAtAll(door: Door): Promise<boolean> {
  for (let attempt = 0; attempt < PATIENT_ATTEMPTS; attempt++) {
    if ((await ping(door, PATIENT_ATTEMPT_MS)) !== SILENT) return true
  }
  return false
}

/** Asks until there is an answer or the time is over; then says what the last attempt met. */
async function whyNotReady(door: Door, deadline: number): Promise<string | undefined> {
  for (;;) {
    const reason = await ping(door, ATTEMPT_MS)
    if (reason === undefined) return undefined
    if (performance.now() > deadline) return reason
    await setTimeout(BETWEEN_MS)
  }
}

function ping(door: Door, withinMs: number): Promise<string | undefined> {
  return door.kind === 'sip' ? pingSip(door, withinMs) : pingHttp(door, withinMs)
}

async function pingHttp({ host, port }: Door, withinMs: number): Promise<string | undefined> {
  try {
    const response = await fetch(`http://${hostPort(host, port)}/ping`, {
      signal: AbortSignal.timeout(withinMs),
    })
    await response.body?.cancel()
    return response.ok || response.status === 503 ? undefined : `answers ${response.status}`
  } catch {
    return SILENT
  }
}

/** Any answer but a server's failure shows that requests are read and answered. */
async function pingSip({ host, port, selfName = host }: Door, withinMs: number): Promise<string | undefined> {
  const socket = createSocket(isIPv6(host) ? 'udp6' : 'udp4')
  try {
    return await new Promise(resolve => {
      socket.on('message', data => {
        const status = Number(/^SIP\/2\.0 (\d{3}) /.exec(data.toString('latin1'))?.[1])
        if (status >= 200) resolve(status < 500 ? undefined : `answers ${status}`)
      })
      socket.once('error', () => {
        resolve(SILENT)
      })
      socket.connect(port, host, () => {
        socket.send(optionsTo(hostPort(selfName, port), hostPort(host, socket.address().port)))
      })
      // Of the kind that keeps no process from ending.
      AbortSignal.timeout(withinMs).addEventListener('abort', () => {
        resolve(SILENT)
      })
    })
  } finally {
    socket.close()
  }
}

/** OPTIONS to the node itself (RFC 3261 §11). */
function optionsTo(target: string, self: string): string {
  const id = randomBytes(8).toString('hex')
  return [
    `OPTIONS sip:${target} SIP/2.0`,
    `Via: SIP/2.0/UDP ${self};rport;branch=z9hG4bK${id}`,
    'Max-Forwards: 70',
    `From: <sip:ready-check@${self}>;tag=${id}`,
    `To: <sip:${target}>`,
    `Call-ID: ${id}`,
    'CSeq: 1 OPTIONS',
    'Content-Length: 0',
    '\r\n',
  ].join('\r\n')
}

function hostPort(host: string, port: number): string {
  return `${uriHost(host)}:${port}`
}
