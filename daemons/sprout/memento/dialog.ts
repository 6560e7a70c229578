import { randomInt } from 'node:crypto'
import { fragmentTimestamp } from '../../../lib/ims/call-list/fragment.ts'
import { impuOf, type Impu } from '../../../lib/ims/identity.ts'
import { parseUri } from '../../../lib/sip/uri.ts'

/** A recorded call, and in whose list it is: what the end of the call has to know of its beginning. */
export interface RecordedCall {
  readonly timestamp: string
  readonly id: string
  readonly impu: Impu
}

const IDS = 2 ** 48 - 1

export function newCall(impu: Impu, startedAt: number): RecordedCall {
  return { timestamp: fragmentTimestamp(startedAt), id: String(randomInt(IDS)), impu }
}

/** The call as the name of its dialog in Record-Route: any server of the cluster can go on with it. */
export function formatDialogId({ timestamp, id, impu }: RecordedCall): string {
  return `${timestamp}_${id}_${Buffer.from(impu, 'latin1').toString('base64url')}`
}

const DIALOG_ID = /^(\d{14})_(\d{1,20})_([\w-]{1,700})$/

/** Undefined if it is no name of ours. */
export function parseDialogId(text: string): RecordedCall | undefined {
  const match = DIALOG_ID.exec(text)
  if (match === null) return undefined
  const [, timestamp = '', id = '', identity = ''] = match
  const uri = parseUri(Buffer.from(identity, 'base64url').toString('latin1'))
  const impu = uri === undefined ? undefined : impuOf(uri)
  return impu === undefined ? undefined : { timestamp, id, impu }
}
