import { join } from 'node:path'
import { expect } from 'vitest'
import { DOMAIN, type Core } from './core.ts'
import { runSipp, Sipp, type SippResult } from './sipp.ts'
import { PASSWORD } from './subscribers.ts'

/** Path of one of the SIPp scenarios in test/scenarios. */
export function scenario(name: string): string {
  return join(import.meta.dirname, '..', 'scenarios', `${name}.xml`)
}

/** SIPp's keyword that answers a challenge, as an injection field. */
export function credentialsField(user: string, password = PASSWORD): string {
  return `[authentication username=${user}@${DOMAIN} password=${password}]`
}

/** Registers a user from this port with SIPp; its calls must then come from the same port. */
export async function sippRegister(
  core: Core,
  phone: { readonly user: string; readonly localPort: number },
): Promise<void> {
  const result = await runSipp({
    scenario: scenario('register'),
    target: target(core),
    localPort: phone.localPort,
    rows: [`${phone.user};${credentialsField(phone.user)}`],
    calls: 1,
  })
  expectClean(result)
}

export interface ScriptedCall {
  readonly caller: { readonly user: string; readonly localPort: number; readonly scenario: string }
  readonly callee: { readonly user: string; readonly localPort: number; readonly scenario: string }
  readonly calls?: number
}

/** Plays both sides of a call with SIPp and fails unless both saw exactly what their scripts say. */
export async function playCall(core: Core, { caller, callee, calls = 3 }: ScriptedCall): Promise<void> {
  await using answering = new Sipp({
    scenario: scenario(callee.scenario),
    target: target(core),
    localPort: callee.localPort,
    calls,
  })
  const called = await runSipp({
    scenario: scenario(caller.scenario),
    target: target(core),
    localPort: caller.localPort,
    rows: [`${caller.user};${callee.user}`],
    calls,
    callsPerSecond: 5,
  })
  expectClean(called)
  expectClean(await answering.result())
}

/** Every scripted call went as written. A message sent twice on a busy machine is no failure. */
export function expectClean(result: SippResult): void {
  expect(result, result.summary).toMatchObject({ exitCode: 0, failed: 0 })
}

export function target(core: Core): string {
  return `127.0.0.1:${core.port('client')}`
}
