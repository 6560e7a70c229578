import { describe, expect, test } from 'vitest'
import { hasErrors } from './fault.ts'
import { changesBetween, effectsOf } from './shared-file.ts'
import { emptyXmlFile, validateXmlFile } from './xml-files.ts'

const IFC =
  '<InitialFilterCriteria><ApplicationServer><ServerName>sip:as@h</ServerName></ApplicationServer></InitialFilterCriteria>'
const SHARED = `<SharedIFCsSets><SharedIFCsSet><SetID>1</SetID>${IFC}</SharedIFCsSet></SharedIFCsSets>`

describe('shared_ifcs.xml, fallback_ifcs.xml', () => {
  test.for(['shared_ifcs.xml', 'fallback_ifcs.xml'] as const)('%s may be empty', name => {
    expect(validateXmlFile(name, emptyXmlFile(name))).toEqual([])
  })

  test('may have sets of criteria', () => {
    expect(validateXmlFile('shared_ifcs.xml', SHARED)).toEqual([])
    expect(validateXmlFile('fallback_ifcs.xml', `<FallbackIFCsSet>${IFC}</FallbackIFCsSet>`)).toEqual([])
  })

  test('criteria that cannot be used do not hinder the others', () => {
    const faults = validateXmlFile(
      'fallback_ifcs.xml',
      `<FallbackIFCsSet>${IFC}<InitialFilterCriteria/></FallbackIFCsSet>`,
    )

    expect(faults).toHaveLength(1)
    expect(hasErrors(faults)).toBe(false)
  })

  test.for([
    '',
    'no xml',
    SHARED.slice(1),
    SHARED.replaceAll('SharedIFCsSets', 'FallbackIFCsSet'),
    `<!DOCTYPE a [<!ENTITY b "bb"><!ENTITY c "&b;&b;">]>${SHARED}`,
    '<a>'.repeat(100_000),
    `${SHARED}<!--${'x'.repeat(1_000_001)}-->`,
  ])('are refused when they are none, or made to do harm', text => {
    expect(hasErrors(validateXmlFile('shared_ifcs.xml', text))).toBe(true)
  })

  test('a change makes sprout read it again, spaces around it do not', () => {
    const changes = changesBetween('shared_ifcs.xml', undefined, SHARED)

    expect([...effectsOf(changes).reload]).toEqual(['sprout'])
    expect(changesBetween('shared_ifcs.xml', SHARED, `${SHARED}\n`)).toEqual([])
  })
})
