import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { formatRegData, parseRegData } from './reg-data-xml.ts'
import { formatImsSubscription, identitiesOf, parseImsSubscription } from './subscription-xml.ts'
import { parseXml } from './xml.ts'

const IFC = (server: string): string =>
  `<InitialFilterCriteria><Priority>1</Priority><ApplicationServer><ServerName>${server}</ServerName></ApplicationServer></InitialFilterCriteria>`

const SERVICES =
  '<CoreNetworkServicesAuthorization><Extension><ListOfServiceIds><ServiceId>urn:urn-7:a</ServiceId>' +
  '<ServiceId>urn:urn-7:b</ServiceId></ListOfServiceIds></Extension></CoreNetworkServicesAuthorization>'

const DOCUMENT = `<?xml version="1.0" encoding="UTF-8"?>
<cx:IMSSubscription xmlns:cx="urn:x" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:noNamespaceSchemaLocation="CxDataType.xsd">
 <cx:PrivateID>Unspecified</cx:PrivateID>
 <cx:ServiceProfile>
  <cx:PublicIdentity><cx:Identity><![CDATA[sip:a&b@example.com]]></cx:Identity><cx:New>x</cx:New></cx:PublicIdentity>
  <cx:PublicIdentity><cx:BarringIndication>true</cx:BarringIndication><cx:Identity> tel:+16505550001 </cx:Identity></cx:PublicIdentity>
  ${IFC('sip:one@example.com')}
  <cx:CoreNetworkServicesAuthorization/>
  ${IFC('sip:two@example.com')}
 </cx:ServiceProfile>
</cx:IMSSubscription>`

function subscription(xml: string) {
  const result = parseImsSubscription(xml)
  if (!result.ok) throw new Error(result.message)
  return result.subscription
}

describe('IMSSubscription (TS 29.228 Annex E)', () => {
  test('prefixes and unknown elements are ignored, CDATA is text, criteria keep their order', () => {
    const read = subscription(DOCUMENT)

    expect(read).toEqual({
      privateId: 'Unspecified',
      profiles: [
        {
          identities: [
            { impu: 'sip:a&b@example.com', barred: false },
            { impu: 'tel:+16505550001', barred: true },
          ],
          filterCriteria: [IFC('sip:one@example.com'), IFC('sip:two@example.com')],
        },
      ],
    })
    expect(identitiesOf(read)).toEqual(['sip:a&b@example.com', 'tel:+16505550001'])
  })

  test('the same text is read once', () => {
    expect(subscription(DOCUMENT)).toBe(subscription(DOCUMENT))
  })

  test('what is written again has no prefixes and keeps what we do not know', () => {
    const text = formatImsSubscription(subscription(DOCUMENT))

    expect(text).not.toContain('cx:')
    expect(text).not.toContain('xmlns')
    expect(text).toContain('<New>x</New>')
    expect(subscription(text)).toEqual(subscription(DOCUMENT))
  })

  test('a wildcarded identity names its wildcard', () => {
    const text = `<IMSSubscription><ServiceProfile><PublicIdentity><Identity>sip:bob@x</Identity>
      <Extension><IdentityType>3</IdentityType><Extension><Extension><WildcardedIMPU>sip:b!.*!@x</WildcardedIMPU>
      </Extension></Extension></Extension></PublicIdentity></ServiceProfile></IMSSubscription>`

    expect(subscription(text).profiles[0]?.identities[0]?.wildcard).toBe('sip:b!.*!@x')
  })

  test('a profile lists the services of its users', () => {
    const text = (services: string): string =>
      `<IMSSubscription><PrivateID></PrivateID><ServiceProfile><PublicIdentity><Identity>sip:bob@x</Identity></PublicIdentity>${services}</ServiceProfile></IMSSubscription>`

    expect(subscription(text(SERVICES)).profiles[0]?.services).toEqual(['urn:urn-7:a', 'urn:urn-7:b'])
    expect(subscription(text('')).profiles[0]?.services).toBeUndefined()
    expect(formatImsSubscription({ ...subscription(text(SERVICES)) })).toBe(text(SERVICES))
  })

  test.each([
    ['not XML at all', 'hello'],
    ['an element left open', '<IMSSubscription><PrivateID></IMSSubscription>'],
    ['another root', '<ServiceProfile/>'],
    ['no identity', '<IMSSubscription><ServiceProfile/></IMSSubscription>'],
    ['a document type', '<!DOCTYPE a [<!ENTITY x "y">]><IMSSubscription>&x;</IMSSubscription>'],
    ['too deep', `${'<a>'.repeat(5000)}${'</a>'.repeat(5000)}`],
    ['too deep behind quotes', `${'<a b="/>">'.repeat(5000)}${'</a>'.repeat(5000)}`],
    ['too long', `<IMSSubscription>${' '.repeat(300_000)}</IMSSubscription>`],
    ['two roots', '<IMSSubscription/><IMSSubscription/>'],
    ['an undeclared prefix', '<cx:IMSSubscription/>'],
  ])('%s is a failure with one line of reason', (_, text) => {
    const result = parseImsSubscription(text)

    expect(result).toMatchObject({ ok: false, message: expect.stringMatching(/^[^\n]+$/) as string })
  })

  test('the plain shape is read as any other document is', () => {
    const identity = fc.constantFrom(
      'sip:alice@example.com',
      'tel:+16505550001',
      'sip:A@EXAMPLE.com',
      'a]]>b',
      ' sip:x@y ',
      '&amp;',
      '',
    )
    const criteria = fc.constantFrom(
      '',
      IFC('sip:as@x'),
      IFC('sip:as@x') + IFC('sip:bs@x'),
      '<InitialFilterCriteria/>',
      '<InitialFilterCriteria>',
      '<InitialFilterCriteria/></ServiceProfile><ServiceProfile>',
      '<InitialFilterCriteria/><PublicIdentity><Identity>sip:late@x</Identity></PublicIdentity>',
      '<InitialFilterCriteriaX/>',
      '<!-- --><InitialFilterCriteria/>',
      `<InitialFilterCriteria/>${SERVICES}`,
    )
    fc.assert(
      fc.property(fc.array(identity, { maxLength: 3 }), identity, criteria, (identities, privateId, iFCs) => {
        const listed = identities.map(text => `<PublicIdentity><Identity>${text}</Identity></PublicIdentity>`)
        const text = `<IMSSubscription><PrivateID>${privateId}</PrivateID><ServiceProfile>${listed.join('')}${iFCs}</ServiceProfile></IMSSubscription>`

        // A comment in front makes it another shape, and changes nothing else.
        const [fast, slow] = [parseImsSubscription(text), parseImsSubscription(`<!-- -->${text}`)]

        if (fast.ok) expect(fast).toEqual(slow)
        else expect(slow.ok).toBe(false)
      }),
      { numRuns: 500 },
    )
  })

  test('no text makes the reader throw', () => {
    const piece = fc.constantFrom(
      '<',
      '>',
      '/',
      'IMSSubscription',
      '<![CDATA[',
      ']]>',
      '<!--',
      '&amp;',
      '&#0;',
      '"',
      'a',
    )
    fc.assert(
      fc.property(fc.array(fc.oneof(piece, fc.string())), pieces => {
        const result = parseXml(pieces.join(''))
        expect(typeof result.ok).toBe('boolean')
      }),
    )
  })
})

describe('ClearwaterRegData', () => {
  test('comes back as it was written', () => {
    const data = {
      state: 'REGISTERED',
      previousState: 'UNREGISTERED',
      subscription: subscription(DOCUMENT),
      charging: { ccf: ['aaa://ccf1', 'aaa://ccf2?a=b&c'], ecf: ['aaa://ecf1'] },
    } as const

    expect(parseRegData(formatRegData(data))).toEqual({ ok: true, data })
  })

  test('an unknown identity has a state and nothing else', () => {
    const text = formatRegData({ state: 'NOT_REGISTERED', charging: { ccf: [], ecf: [] } })

    expect(text).toBe(
      '<ClearwaterRegData><RegistrationState>NOT_REGISTERED</RegistrationState></ClearwaterRegData>',
    )
    expect(parseRegData(text)).toEqual({
      ok: true,
      data: { state: 'NOT_REGISTERED', charging: { ccf: [], ecf: [] } },
    })
  })

  test('addresses are read in order of priority', () => {
    const result = parseRegData(
      `<ClearwaterRegData><RegistrationState>UNREGISTERED</RegistrationState><ChargingAddresses>
       <CCF priority="2">b</CCF><CCF priority="1">a</CCF></ChargingAddresses></ClearwaterRegData>`,
    )

    expect(result.ok && result.data.charging.ccf).toEqual(['a', 'b'])
  })

  test.each([
    '',
    '<a/>',
    '<ClearwaterRegData/>',
    '<ClearwaterRegData><RegistrationState>X</RegistrationState></ClearwaterRegData>',
  ])('%j is a failure', text => expect(parseRegData(text).ok).toBe(false))
})
