import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { TEST_KEY, TestUsim } from '../../lib/ims/aka/testing.ts'
import { callAndHangUp, phoneAt } from '../support/calls.ts'
import { Child } from '../support/child.ts'
import { Core, DOMAIN, PROJECT } from '../support/core.ts'
import type { Phone } from '../support/phone.ts'
import { statusOf, valueOf, valuesOf, type SipText } from '../support/sip-text.ts'
import { PASSWORD, provision, subscriber } from '../support/subscribers.ts'
import { registerWithUsim } from '../support/usim-phone.ts'

let core: Core

beforeAll(async () => {
  core = await Core.start()
  await provision(core.port('provisioning'), subscriber('plain'))
  await cwUser(['100', DOMAIN, PASSWORD, '--sha256'])
  // The secrets of a USIM come by standard input, where nobody sees them in a list of processes.
  await cwUser(['200..207', DOMAIN, '--aka-k', '-', '--aka-opc', '-'], `${TEST_KEY.k}\n${TEST_KEY.opc}\n`)
})
afterAll(() => core[Symbol.asyncDispose]())

async function cwUser(args: readonly string[], stdin = ''): Promise<void> {
  const offset = ['--port-offset', `${core.portOffset}`]
  await using child = new Child(join(PROJECT, 'bin', 'cw'), ['user', 'create', ...args, ...offset], { stdin })
  expect((await child.exited).code, child.stderr).toBe(0)
}

const statuses = (answers: readonly SipText[]): number[] => answers.map(statusOf)
const challenge = (answer: SipText | undefined): string =>
  answer === undefined ? '' : valueOf(answer, 'www-authenticate')

describe('digest', () => {
  /** The values of WWW-Authenticate for a REGISTER without credentials. */
  async function challenges(phone: Phone): Promise<readonly string[]> {
    const request = phone.send('REGISTER', `sip:${DOMAIN}`, { to: `<${phone.aor}>` })
    return valuesOf(await phone.response(request), 'www-authenticate')
  }

  async function answerTo(phone: Phone, text: string): Promise<number> {
    const uri = `sip:${DOMAIN}`
    const headers = [['Authorization', phone.credentials(text, { method: 'REGISTER', uri })]] as const
    return statusOf(await phone.response(phone.send('REGISTER', uri, { to: `<${phone.aor}>`, headers })))
  }

  test('challenges by MD5 alone who has nothing else', async () => {
    await using phone = await phoneAt(core, 'plain')

    const given = await challenges(phone)

    expect(given).toHaveLength(1)
    expect(given[0]).toContain('algorithm=MD5')
    expect(await answerTo(phone, given[0] ?? '')).toBe(200)
  })

  test.for([
    ['SHA-256', 0],
    ['MD5', 1],
  ] as const)('challenges by both who has both, and takes an answer by %s', async ([algorithm, index]) => {
    await using phone = await phoneAt(core, '100')

    const given = await challenges(phone)

    expect(given).toHaveLength(2)
    expect(given[index]).toContain(`algorithm=${algorithm},`)
    expect(await answerTo(phone, given[index] ?? '')).toBe(200)
  })

  test('refuses a wrong answer by SHA-256', async () => {
    await using phone = await phoneAt(core, '100')
    const wrong = { ...phone.identity, password: 'guessed' }
    const [first = ''] = await challenges(phone)

    const uri = `sip:${DOMAIN}`
    const credentials = phone.credentials(first, { method: 'REGISTER', uri, password: wrong.password })
    const headers = [['Authorization', credentials]] as const
    const sent = phone.send('REGISTER', uri, { to: `<${phone.aor}>`, headers })

    expect(statusOf(await phone.response(sent))).toBe(403)
  })
})

describe('AKA', () => {
  test('registers a phone with a USIM, which never sees the keys of its P-CSCF', async () => {
    await using phone = await phoneAt(core, '200')

    const { answers } = await registerWithUsim(phone, new TestUsim(TEST_KEY))

    expect(statuses(answers)).toEqual([401, 200])
    expect(challenge(answers[0])).toContain('algorithm=AKAv1-MD5')
    expect(challenge(answers[0])).not.toMatch(/\b[ci]k=/)
  })

  test('by version 2 where the phone says that it knows it', async () => {
    await using phone = await phoneAt(core, '201', 'TCP')

    const { answers } = await registerWithUsim(phone, new TestUsim(TEST_KEY), { algorithm: 'AKAv2-MD5' })

    expect(statuses(answers)).toEqual([401, 200])
    expect(challenge(answers[0])).toContain('algorithm=AKAv2-MD5')
  })

  test('gets into step with a USIM that has seen later numbers', async () => {
    await using phone = await phoneAt(core, '202')
    const usim = new TestUsim(TEST_KEY, 1n << 40n)

    const { answers } = await registerWithUsim(phone, usim)
    expect(statuses(answers)).toEqual([401, 401, 200])

    // And stays in step.
    expect(statuses((await registerWithUsim(phone, usim)).answers)).toEqual([401, 200])
  })

  test('refuses who does not have the key, and who answers anything else', async () => {
    await using phone = await phoneAt(core, '203')
    const guesses = { res: Buffer.alloc(8) }
    expect(statuses((await registerWithUsim(phone, new TestUsim(TEST_KEY), guesses)).answers)).toEqual([
      401, 403,
    ])

    const stranger = new TestUsim({ ...TEST_KEY, k: TEST_KEY.opc })
    await expect(registerWithUsim(phone, stranger)).rejects.toThrow('does not know this network')

    const uri = `sip:${DOMAIN}`
    expect(statusOf(await phone.authenticated('REGISTER', uri, { to: `<${phone.aor}>` }))).toBe(403)
  })

  test('a forged resynchronisation is refused and moves nothing', async () => {
    await using phone = await phoneAt(core, '204')
    const usim = new TestUsim(TEST_KEY)
    const forger = new TestUsim(TEST_KEY, 1n << 40n)
    const answer = forger.answer.bind(forger)
    forger.answer = text => {
      const said = answer(text)
      return said.kind === 'out-of-step' ? { ...said, auts: Buffer.alloc(14, 7).toString('base64') } : said
    }

    expect(statuses((await registerWithUsim(phone, forger)).answers)).toEqual([401, 403])
    expect(statuses((await registerWithUsim(phone, usim)).answers)).toEqual([401, 200])
  })

  test('phones that registered so call each other', async () => {
    await using caller = await phoneAt(core, '205')
    await using callee = await phoneAt(core, '206', 'TCP')
    for (const phone of [caller, callee]) await registerWithUsim(phone, new TestUsim(TEST_KEY))

    await callAndHangUp(caller, callee)
  })

  test('sequence numbers go on after the core was killed', async () => {
    await using phone = await phoneAt(core, '207')
    const usim = new TestUsim(TEST_KEY)
    await registerWithUsim(phone, usim)
    await core.stop('SIGKILL')
    const { dataDir, portOffset } = core
    await using again = await Core.start({ dataDir, portOffset })
    await using restarted = await phoneAt(again, '207')

    expect(statuses((await registerWithUsim(restarted, usim)).answers)).toEqual([401, 200])
  })
})
