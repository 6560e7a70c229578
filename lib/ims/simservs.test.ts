import { describe, expect, test } from 'vitest'
import { NO_SERVICES, parseSimservs, type Simservs } from './simservs.ts'

function services(content: string): Simservs | undefined {
  return parseSimservs(
    `<simservs xmlns="http://uri.etsi.org/ngn/params/xml/simservs/xcap" xmlns:cp="urn:ietf:params:xml:ns:common-policy">${content}</simservs>`,
  )
}

function diversion(rule: string): Simservs['diversion'] {
  return services(`<communication-diversion><cp:ruleset>${rule}</cp:ruleset></communication-diversion>`)
    ?.diversion
}

const FORWARD = '<cp:actions><forward-to><target>sip:c@d</target></forward-to></cp:actions>'

describe('a service', () => {
  test('that is not there, or switched off by whatever word, is off', () => {
    expect(services('')).toEqual(NO_SERVICES)
    for (const active of ['false', 'no', '1', '']) {
      const off = services(
        `<communication-diversion active="${active}"/><originating-identity-presentation-restriction active="${active}"/>`,
      )
      expect(off).toEqual(NO_SERVICES)
    }
  })

  test('restricts identities by default unless it says otherwise', () => {
    const restricted = (content: string): unknown =>
      services(
        `<originating-identity-presentation-restriction>${content}</originating-identity-presentation-restriction>`,
      )?.restriction
    expect(restricted('')).toEqual({ byDefault: true })
    expect(restricted('<default-behaviour>presentation-restricted</default-behaviour>')).toEqual({
      byDefault: true,
    })
    expect(restricted('<default-behaviour> presentation-not-restricted </default-behaviour>')).toEqual({
      byDefault: false,
    })
  })

  test.each([
    ['', 20],
    ['36', 36],
    ['0', 20],
    ['-5', 20],
    ['1e9', 20],
    ['soon', 20],
  ])('lets it ring, with NoReplyTimer "%s", for %d s', (timer, seconds) => {
    const read = services(
      `<communication-diversion><NoReplyTimer>${timer}</NoReplyTimer></communication-diversion>`,
    )
    expect(read?.diversion).toEqual({ noReplySeconds: seconds, rules: [] })
  })

  test('bars by rules that allow or, whatever else they say, do not', () => {
    const rules = [
      '<cp:actions><allow>true</allow></cp:actions>',
      '<cp:actions><allow>yes</allow></cp:actions>',
      '',
    ]
      .map(actions => `<cp:rule>${actions}</cp:rule>`)
      .join('')
    const barring = services(
      `<incoming-communication-barring><cp:ruleset>${rules}</cp:ruleset></incoming-communication-barring>`,
    )
    expect(barring?.incomingBarring.map(({ allow }) => allow)).toEqual([true, false, false])
    expect(barring?.outgoingBarring).toEqual([])
  })
})

describe('a rule', () => {
  test('has its conditions; those nobody knows do not count', () => {
    const rule = `<cp:rule><cp:conditions><busy/><media>Audio</media><presence-status>busy</presence-status>
      <cp:identity><cp:one id="sip:a@b"/><cp:many domain="EXAMPLE.com"><cp:except id="sip:x@example.com"/><cp:except domain="y.z"/><cp:except/></cp:many><cp:many/></cp:identity>
      <rule-deactivated/></cp:conditions>${FORWARD}</cp:rule>`
    expect(diversion(rule)?.rules).toEqual([
      {
        target: 'sip:c@d',
        conditions: [
          { kind: 'busy' },
          { kind: 'media', media: 'audio' },
          {
            kind: 'identity',
            identities: [
              { one: 'sip:a@b' },
              { domain: 'example.com', except: [{ one: 'sip:x@example.com' }, { domain: 'y.z' }] },
              { domain: undefined, except: [] },
            ],
          },
          { kind: 'rule-deactivated' },
        ],
      },
    ])
  })

  test('without a target does nothing', () => {
    expect(diversion('<cp:rule/><cp:rule><cp:actions><forward-to/></cp:actions></cp:rule>')?.rules).toEqual(
      [],
    )
  })
})

describe('what is no document', () => {
  test.each([
    '',
    'hello',
    '<simservs>',
    '{}',
    '<ruleset/>',
    '<!DOCTYPE s [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;">]><simservs>&b;</simservs>',
    '<!DOCTYPE s [<!ENTITY x SYSTEM "file:///etc/passwd">]><simservs>&x;</simservs>',
    `${'<simservs>'.repeat(10_000)}${'</simservs>'.repeat(10_000)}`,
    `<simservs>${' '.repeat(300_000)}</simservs>`,
  ])('is not read: %.60s', document => {
    expect(parseSimservs(document)).toBeUndefined()
  })

  test('but one of ten thousand lines is, if they are short', () => {
    const lines = Array.from(
      { length: 3333 },
      (_, i) => `<rule id="r${i}">\n<conditions>\n</conditions></rule>`,
    )
    const document = `<simservs><incoming-communication-barring><ruleset>${lines.join('\n')}</ruleset></incoming-communication-barring></simservs>`
    expect(document.split('\n').length).toBeGreaterThan(9_900)
    expect(parseSimservs(document)?.incomingBarring).toHaveLength(3333)
  })
})
