import { createHash } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { freePortOffset } from '../../test/support/ports.ts'
import { cw } from '../testing/run-cw.ts'
import { startDaemon, type DaemonName } from './daemon.ts'

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

describe('daemons that run apart', () => {
  test('register a phone together, over their interfaces only', async () => {
    const dataDir = mkdtempSync(join(tmpdir(), 'cw-daemon-'))
    const portOffset = await freePortOffset()
    await using opened = new AsyncDisposableStack()
    opened.defer(() => {
      rmSync(dataDir, { recursive: true })
    })
    for (const name of ['homer', 'homestead', 'sprout', 'bono'] satisfies DaemonName[]) {
      const daemon = await startDaemon(name, {
        dataDir,
        domain: 'ims.test',
        bind: '127.0.0.1',
        advertise: undefined,
        portOffset,
        logLevel: 'silent',
        sproutHostname: 'sprout.ims.test',
        upstream: { host: '127.0.0.1', port: 5052 + portOffset },
        homestead: `http://127.0.0.1:${8888 + portOffset}`,
        homer: `http://127.0.0.1:${7888 + portOffset}`,
      })
      opened.defer(() => daemon.close())
    }
    const created = await cw(
      'user',
      'create',
      '6505550001',
      'ims.test',
      'pw',
      '--port-offset',
      String(portOffset),
    )
    expect(created.exit).toBe(0)
    const phone = createSocket('udp4')
    opened.defer(() => {
      phone.close()
    })
    phone.connect(5060 + portOffset, '127.0.0.1')
    await once(phone, 'connect')

    const challenge = await register(phone, 1)
    expect(challenge).toMatch(/^SIP\/2.0 401 /)
    const nonce = /nonce="([^"]+)"/.exec(challenge)?.[1] ?? ''
    const ha1 = md5('6505550001@ims.test:ims.test:pw')
    const digest = md5(`${ha1}:${nonce}:00000001:abc:auth:${md5('REGISTER:sip:ims.test')}`)
    const accepted = await register(
      phone,
      2,
      `Authorization: Digest username="6505550001@ims.test",realm="ims.test",nonce="${nonce}",uri="sip:ims.test",` +
        `qop=auth,nc=00000001,cnonce="abc",algorithm=MD5,response="${digest}"\r\n`,
    )
    expect(accepted).toMatch(/^SIP\/2.0 200 /)
    expect(accepted).toMatch(/^Service-Route: .*scscf\.sprout\.ims\.test/im)
  })
})

/** Sends REGISTER and gives the final answer. */
async function register(phone: Socket, cseq: number, credentials = ''): Promise<string> {
  const self = `127.0.0.1:${phone.address().port}`
  phone.send(
    'REGISTER sip:ims.test SIP/2.0\r\n' +
      `Via: SIP/2.0/UDP ${self};rport;branch=z9hG4bK-daemon-${cseq}\r\n` +
      'Max-Forwards: 70\r\n' +
      'From: <sip:6505550001@ims.test>;tag=a\r\n' +
      'To: <sip:6505550001@ims.test>\r\n' +
      `Contact: <sip:6505550001@${self}>;expires=300\r\n` +
      'Call-ID: daemons-apart\r\n' +
      `CSeq: ${cseq} REGISTER\r\n${credentials}Content-Length: 0\r\n\r\n`,
  )
  for (;;) {
    const [data] = (await once(phone, 'message')) as [Buffer]
    const text = data.toString()
    if (!text.startsWith('SIP/2.0 1')) return text
  }
}
