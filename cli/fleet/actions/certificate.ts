import { z } from 'zod'
import { MEMBER_NAME } from '../../../lib/etcd/credentials.ts'
import { CwError } from '../../../lib/kit/errors.ts'
import type { Holder } from '../certificates/authority.ts'
import { action, type ChangeBase, type Look } from './action.ts'
import { absolutePath, mode, owner } from './params.ts'

interface Params {
  readonly path: string
  readonly for: 'member' | 'client'
  readonly mode: string
  readonly owner: string
}

export interface CertificateChange extends ChangeBase {
  readonly action: 'certificate'
  readonly path: string
  readonly mode: string
  readonly owner: string
  readonly holder: Holder
}

/**
 * A key with its certificate, in one file, of the deployment's authority: of a member of etcd, or of a node as its
 * client. It is made when it is put there, and anew before it ends.
 */
export const certificate = action<Params, CertificateChange>({
  schema: z.strictObject({
    path: absolutePath,
    for: z.enum(['member', 'client']),
    mode: mode('0600'),
    owner,
  }),
  probes: ({ path }) => [
    { ask: 'path', subject: path },
    { ask: 'certificate', subject: path },
  ],
  changes(params, look) {
    const { path, mode: bits, owner: whose } = params
    if (look.authority === undefined) throw new CwError('BUG', 'nobody vouches for a certificate')
    const holder = holderOf(params, look)
    const [found, text] = [look.facts.path(path), look.facts.certificate(path)]
    const isOurs = found.is === 'file' && found.mode === bits && found.owner === whose
    const fault = text === undefined ? 'absent' : look.authority.faultOf(text, holder)
    if (fault === undefined && isOurs) return []
    const why = found.is === 'absent' ? '' : ` anew: ${fault ?? 'others could read it'}`
    const summary = `issue ${path} (${whose}, ${bits})${why}`
    return [{ action: 'certificate', summary, path, mode: bits, owner: whose, holder }]
  },
  async carryOut({ path, mode: bits, owner: whose, holder }, { shell, signal, authority }) {
    if (authority === undefined) throw new CwError('BUG', 'nobody vouches for a certificate')
    const permission = Number.parseInt(bits, 8)
    await shell.write(path, authority.issue(holder), { mode: permission, owner: whose, sudo: true, signal })
  },
})

function holderOf({ for: use }: Params, { node, address }: Look): Holder {
  return use === 'client'
    ? { commonName: node, hosts: [] }
    : // Members tell each other from mere clients by the name.
      { commonName: MEMBER_NAME, hosts: [MEMBER_NAME, address] }
}
