import { describe, expect, test } from 'vitest'
import type { Deployment } from '../../lib/config/deployment/deployment.ts'
import { readOperation, type OperationRecord } from '../fleet/journal.ts'
import { fromElsewhere } from './resume.ts'

const DEPLOYMENT = { name: 'lab', file: '/home/me/clearwater.yaml' } as Deployment

describe('an operation that another machine tells of', () => {
  test('goes on with the same nodes, and with nothing else that it says', () => {
    const options = { only: ['a'], overwriteDrift: true, release: '/tmp/planted.tar.gz' }
    const record = fromElsewhere(told({ options, file: '/etc/shadow' }), DEPLOYMENT)

    expect(record).toMatchObject({ options: { only: ['a'] }, file: DEPLOYMENT.file, by: 'ops@elsewhere' })
    const text = record.entries.map(entry => JSON.stringify(entry)).join('\n')
    expect(text).not.toMatch(/planted|overwriteDrift|shadow/)
    expect(readOperation(text)).toEqual(record)
  })

  test('goes back to the release that lies on the nodes, where it was about to', () => {
    const installed = { version: '0.1.0', arch: 'x64', sha256: 'a'.repeat(64) }

    expect(fromElsewhere(told({ options: { only: ['a'], installed } }), DEPLOYMENT).options).toEqual({
      only: ['a'],
      installed,
    })
  })

  test('is refused if its id could name another file', () => {
    expect(() => fromElsewhere(told({ id: '../../20260102T030405-1a2b' }), DEPLOYMENT)).toThrow(
      expect.objectContaining({ code: 'OPERATION_UNKNOWN' }),
    )
  })
})

function told(given: object): OperationRecord {
  const started = {
    at: '2026-01-02T03:04:05.000Z',
    event: 'operation.started',
    ...{ id: '20260102T030405-1a2b', operation: 'deploy', deployment: 'lab', by: 'ops@elsewhere' },
    ...{ file: '/srv/lab.yaml', options: {}, steps: ['one', 'two'] },
    ...given,
  }
  const done = { at: '2026-01-02T03:04:06.000Z', event: 'step.done', step: 'one', ms: 1 }
  const record = readOperation([started, done].map(each => JSON.stringify(each)).join('\n'))
  if (record === undefined) throw new Error('no record')
  return record
}
