import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { H, headerIdAt, nameOf, type HeaderId } from './header-names.ts'
import { Headers, type HeaderEdit } from './headers.ts'
import { parsedRequest } from './testing.ts'
import { parseDeltaSeconds } from './values.ts'

const MUST = 'Via: SIP/2.0/UDP h\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\nCall-ID: 1\r\nCSeq: 1 OPTIONS\r\n'

/** The headers of a request with these lines above those that every request has. */
function received(...lines: string[]): Headers {
  return parsedRequest(`OPTIONS sip:a@b SIP/2.0\r\n${lines.map(line => line + '\r\n').join('')}${MUST}\r\n`)
    .headers
}

/** What these headers have above those that every request has. */
function own(headers: Headers): string {
  return headers.format().replace(MUST, '')
}

describe('reading', () => {
  const headers = received(
    'm:  <sip:1@h> , <sip:2@h>;q="0,5"  ',
    'X-Thing: one',
    'Contact: "a, b" <sip:3@h>',
    'x-thing\t :two  ',
    'Max-Forwards: 12',
    'Subject: folded',
    '\t here',
    '   and here',
    'Organization:',
  )

  test('the first value, whatever the spelling of its name', () => {
    expect(headers.get(H.Contact)).toBe('<sip:1@h> , <sip:2@h>;q="0,5"')
    expect(headers.get(H.Route)).toBeUndefined()
    expect(headers.get(H.Organization)).toBe('')
  })

  test('the lines of a field, and its values over all of them', () => {
    expect(headers.lines(H.Contact)).toEqual(['<sip:1@h> , <sip:2@h>;q="0,5"', '"a, b" <sip:3@h>'])
    expect(headers.list(H.Contact)).toEqual(['<sip:1@h>', '<sip:2@h>;q="0,5"', '"a, b" <sip:3@h>'])
    expect(headers.list(H.Route)).toEqual([])
    expect(headers.top(H.Contact)).toBe('<sip:1@h>')
    expect(headers.top(H.Route)).toBeUndefined()
    expect(headers.count(H.Contact)).toBe(2)
    expect(headers.has(H.Contact)).toBe(true)
    expect(headers.has(H.Route)).toBe(false)
    expect(headers.hasAny(new Set([H.Route, H.Subject]))).toBe(true)
    expect(headers.hasAny(new Set([H.Route]))).toBe(false)
  })

  test('a folded value as one line', () => {
    expect(headers.get(H.Subject)).toBe('folded here and here')
    expect(received('Subject:', ' late').get(H.Subject)).toBe('late')
  })

  test('a field that is not in the table, by its name in any case', () => {
    expect(headers.named('X-THING')).toEqual(['one', 'two'])
    expect(headers.named('m')).toEqual(headers.lines(H.Contact))
    expect(headers.named('X-None')).toEqual([])
  })

  test('names and values in order, as on the wire', () => {
    expect([...headers.entries()].slice(0, 4)).toEqual([
      ['m', '<sip:1@h> , <sip:2@h>;q="0,5"'],
      ['X-Thing', 'one'],
      ['Contact', '"a, b" <sip:3@h>'],
      ['x-thing', 'two'],
    ])
  })

  test('a meaning is found out once for all messages that share the line', () => {
    let calls = 0
    const parse = (value: string): number | undefined => {
      calls++
      return parseDeltaSeconds(value)
    }
    const shared = received('Expires: 12')
    const edited = shared.edit().append(H.Route, '<sip:r>').done()

    expect([shared, edited, shared].map(one => one.parsed(H.Expires, parse))).toEqual([12, 12, 12])
    expect(calls).toBe(1)
    expect(edited.edit().set(H.Expires, '11').done().parsed(H.Expires, parse)).toBe(11)
    expect(shared.parsed(H.Expires, parse)).toBe(12)
    expect(shared.parsed(H.Route, parse)).toBeUndefined()
  })
})

describe('editing', () => {
  test('leaves the headers it began with alone', () => {
    const before = received('Route: <sip:1>')

    const after = before.edit().set(H.Route, '<sip:2>').remove(H.From).done()

    expect(own(before)).toBe('Route: <sip:1>\r\n')
    expect(after.has(H.From)).toBe(false)
  })

  test('prepend goes above the field, or below the Vias if there is none', () => {
    const before = received('X: 1', 'r: <sip:x>', 'Route: <sip:1>')

    expect(own(before.edit().prepend(H.Route, '<sip:0>').done())).toBe(
      'X: 1\r\nr: <sip:x>\r\nRoute: <sip:0>\r\nRoute: <sip:1>\r\n',
    )
    expect(received().edit().prepend(H.Route, '<sip:0>').done().format()).toBe(
      MUST.replace('h\r\n', 'h\r\nRoute: <sip:0>\r\n'),
    )
    expect(Headers.none.edit().prepend(H.Route, '<sip:0>').done().format()).toBe('Route: <sip:0>\r\n')
  })

  test('append goes below the field, or to the end if there is none', () => {
    const before = received('Route: <sip:1>', 'X: 1')

    expect(own(before.edit().append(H.Route, '<sip:2>').done())).toBe(
      'Route: <sip:1>\r\nRoute: <sip:2>\r\nX: 1\r\n',
    )
    expect(received().edit().append(H.Route, '<sip:2>').done().format()).toBe(`${MUST}Route: <sip:2>\r\n`)
  })

  test('add takes any name, and knows one that is in the table', () => {
    const after = Headers.none.edit().add('X-Any', '1').add('m', '<sip:1>').done()

    expect(after.format()).toBe('X-Any: 1\r\nm: <sip:1>\r\n')
    expect(after.get(H.Contact)).toBe('<sip:1>')
    expect(after.named('x-any')).toEqual(['1'])
  })

  test('set leaves one value, where the first one stood', () => {
    const before = received('Contact: <sip:1>', 'X: 1', 'm: <sip:2>')

    expect(own(before.edit().set(H.Contact, '<sip:3>').done())).toBe('Contact: <sip:3>\r\nX: 1\r\n')
    expect(received().edit().set(H.Contact, '<sip:3>').done().format()).toBe(`${MUST}Contact: <sip:3>\r\n`)
  })

  test('remove and removeAll take every line of a field', () => {
    const before = received('Contact: <sip:1>', 'X: 1', 'm: <sip:2>', 'Route: <sip:3>')

    expect(own(before.edit().remove(H.Contact).remove(H.Path).done())).toBe('X: 1\r\nRoute: <sip:3>\r\n')
    expect(
      own(
        before
          .edit()
          .removeAll(new Set([H.Route, H.Contact]))
          .done(),
      ),
    ).toBe('X: 1\r\n')
    expect(
      own(
        before
          .edit()
          .removeAll(new Set([H.Path]))
          .done(),
      ),
    ).toBe(own(before))
  })

  test('the top of a list is taken off or replaced, its line only if it stood alone', () => {
    const before = received('Route: <sip:1>, <sip:2,3>', 'Route: <sip:4>')

    const once = before.withoutTop(H.Route)
    expect(own(once)).toBe('Route: <sip:2,3>\r\nRoute: <sip:4>\r\n')
    expect(own(once.withoutTop(H.Route))).toBe('Route: <sip:4>\r\n')
    expect(own(once.withoutTop(H.Path))).toBe(own(once))
    expect(own(before.edit().replaceTop(H.Route, '<sip:0>').done())).toBe(
      'Route: <sip:0>, <sip:2,3>\r\nRoute: <sip:4>\r\n',
    )
    expect(own(received().edit().replaceTop(H.Subject, 'a, b').removeTop(H.Subject).done())).toBe('')
  })

  test('pick keeps the lines of the named fields in their order', () => {
    const before = received('t-x: 1', 'Route: <sip:1>')

    expect(before.pick([H.To, H.Route, H.From]).done().format()).toBe(
      'Route: <sip:1>\r\nFrom: <sip:a@b>\r\nTo: <sip:c@d>\r\n',
    )
  })
})

// Properties. The model is a plain list of lines.

interface ModelLine {
  readonly id: HeaderId
  readonly text: string
  readonly untouched: boolean
}

const FIELDS = [
  'Via',
  'Route',
  'Contact',
  'Subject',
  'Max-Forwards',
  'X-Unknown',
  'm',
  'v',
  's',
  'x-OTHER',
] as const
const blank = fc.constantFrom('', ' ', '\t', '  ')
const word = fc.stringMatching(/^[!-+\--9;-~]{1,12}$/)
const line = fc
  .tuple(
    fc.constantFrom(...FIELDS),
    blank,
    blank,
    fc.array(word, { maxLength: 3 }),
    fc.constantFrom(' ', '\r\n ', ' \r\n\t'),
  )
  .map(([name, before, after, words, between]) => `${name}${before}:${after}${words.join(between)}`)

const ID = fc.constantFrom(H.Route, H.Contact, H.Subject, H['Max-Forwards'], H.Path)

type Edit = readonly [verb: 'set' | 'prepend' | 'append' | 'remove' | 'removeAll' | 'add', id: HeaderId]
const edit: fc.Arbitrary<Edit> = fc.tuple(
  fc.constantFrom('set', 'prepend', 'append', 'remove', 'removeAll', 'add'),
  ID,
)

function performed(on: HeaderEdit, [verb, id]: Edit): HeaderEdit {
  if (verb === 'remove') return on.remove(id)
  if (verb === 'removeAll') return on.removeAll(new Set([id]))
  if (verb === 'add') return on.add('X-Added', 'new')
  return on[verb](id, 'new')
}

/** What an edit does to the lines that it does not write: a `set` or `remove` takes those of its field. */
function remaining(lines: readonly ModelLine[], [verb, id]: Edit): readonly ModelLine[] {
  return verb === 'set' || verb === 'remove' || verb === 'removeAll'
    ? lines.filter(one => one.id !== id)
    : lines
}

test('headers that nobody edits are written as they came: order, spelling, compact forms, folds', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 12 }), lines => {
      const text = lines.map(one => one + '\r\n').join('') + MUST
      const once = lines.filter(one => /^max-forwards/i.test(one)).length === 0
      fc.pre(once && !lines.some(one => /^v(ia)?[ \t]*:/i.test(one)))
      expect(received(...lines).format()).toBe(text)
    }),
  )
})

test('whatever is edited, the untouched lines stay in their order, octet by octet', () => {
  fc.assert(
    fc.property(fc.array(line, { maxLength: 10 }), fc.array(edit, { maxLength: 8 }), (lines, edits) => {
      fc.pre(!lines.some(one => /^(v(ia)?|max-forwards)[ \t]*:/i.test(one)))
      const before = received(...lines)
      const model = [...lines, ...MUST.split('\r\n').slice(0, -1)].map(text => {
        const name = text.slice(0, text.indexOf(':')).trimEnd()
        return { id: headerIdAt(name, 0, name.length), text: text + '\r\n', untouched: true }
      })

      const after = edits.reduce(performed, before.edit()).done()

      const expected = edits.reduce<readonly ModelLine[]>(remaining, model)
      const written = after.format().replaceAll(/^[A-Za-z-]+: new\r\n(?![ \t])/gm, '')
      const kept = expected.map(one => one.text).join('')
      expect(written).toBe(kept.replaceAll(/^[A-Za-z-]+: new\r\n(?![ \t])/gm, ''))
      expect(before.format()).toBe(model.map(one => one.text).join(''))
    }),
  )
})

test('an edit is seen by every way of reading', () => {
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 8 }), edits => {
      const after = edits.reduce(performed, received('Route: <sip:1>', 'Contact: <sip:2>').edit()).done()
      const written = [...after.entries()].map(([name, value]) => `${name}: ${value}\r\n`).join('')
      expect(after.format()).toBe(written)
      for (const id of [H.Route, H.Contact, H.Subject, H.Path]) {
        expect(after.lines(id)).toHaveLength(after.count(id))
        expect(after.get(id)).toBe(after.lines(id)[0])
        expect(after.named(nameOf(id))).toEqual(after.lines(id))
      }
    }),
  )
})
