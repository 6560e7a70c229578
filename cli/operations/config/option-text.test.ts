import { describe, expect, test } from 'vitest'
import { parseConfigFile } from '../../../lib/config/config-file.ts'
import { withoutOption, withOption } from './option-text.ts'

const TEXT = `# deployment
home_domain=ims.test   # the domain
alias="two
lines \${home_domain}"

reg_max_expires=300
`

describe('an option in a text', () => {
  test('is changed where it stands', () => {
    expect(withOption(TEXT, 'reg_max_expires', '600')).toBe(TEXT.replace('=300', '=600'))
    expect(withOption(TEXT, 'alias', 'one line')).toBe(TEXT.replace(/alias="[^"]*"/, "alias='one line'"))
  })

  test('is added at the end, after a last line without an end too', () => {
    expect(withOption('a=1', 'b', '2')).toBe('a=1\nb=2\n')
    expect(withOption('', 'b', '2')).toBe('b=2\n')
  })

  test('is removed wherever it stands', () => {
    expect(withoutOption(TEXT, 'alias')).toBe(TEXT.replace(/alias="[^"]*"\n/, ''))
    expect(withoutOption('a=1\nb=2\na=3\n', 'a')).toBe('b=2\n')
    expect(withoutOption(TEXT, 'none')).toBe(TEXT)
  })

  test.each([
    "it's",
    '$(reboot)',
    '"; rm -rf /; "',
    'two\nlines',
    '`x`',
    ' ',
    '',
    '\\',
    '${home_domain}',
    "'\n'",
  ])('keeps exactly %j', value => {
    const text = withOption(withOption(TEXT, 'alias', value), 'later', 'x')
    expect(parseConfigFile(text)).toMatchObject({ faults: [] })
    expect(parseConfigFile(text).values.get('alias')).toBe(value)
    expect(withoutOption(text, 'alias')).not.toContain('alias')
  })
})
