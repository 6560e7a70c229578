import type { Flow, FramingFault, TransportEvents } from './flow.ts'

/** For tests: notes everything a transport tells, and waits for it to have come. */
export class Recorder implements TransportEvents {
  readonly messages: { readonly text: string; readonly flow: Flow }[] = []
  readonly faults: { readonly fault: FramingFault; readonly text: string }[] = []
  readonly failures: Error[] = []
  readonly ended: Flow[] = []
  readonly errors: unknown[] = []
  /** What to do with a message besides noting it. */
  onMessage: (text: string, flow: Flow) => void = () => undefined
  onMalformed: (flow: Flow) => void = () => undefined

  message(text: string, flow: Flow): void {
    this.messages.push({ text, flow })
    this.onMessage(text, flow)
  }

  malformed(flow: Flow, fault: FramingFault, text: string): void {
    this.faults.push({ fault, text })
    this.onMalformed(flow)
  }

  failed(_flow: Flow, error: Error): void {
    this.failures.push(error)
  }

  closed(flow: Flow): void {
    this.ended.push(flow)
  }

  error(error: unknown): void {
    this.errors.push(error)
  }

  get texts(): string[] {
    return this.messages.map(({ text }) => text)
  }
}

/** Resolves once `condition` holds; asks again each turn of the event loop until the deadline. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error(`still waiting: ${what}`)
    await new Promise(resolve => setTimeout(resolve, 2))
  }
}

/** A request with a body of so many octets. */
export function request(bodyOctets = 0, extra = ''): string {
  return `OPTIONS sip:a@example.com SIP/2.0\r\n${extra}Content-Length: ${bodyOctets}\r\n\r\n${'x'.repeat(bodyOctets)}`
}
