import { childNamed, childrenNamed, parseXml, textOf } from '../../lib/ims/xml.ts'
import type { Dialog, Phone } from './phone.ts'
import { dialogOfCaller } from './phone.ts'
import { statusOf, valueOf, type SipText } from './sip-text.ts'

/** A contact as a reginfo document tells of it. */
export interface ToldContact {
  readonly id: string
  readonly state: string
  readonly event: string
  readonly uri: string
  readonly publicGruu?: string
  readonly temporaryGruu?: string
}

export interface ToldRegistration {
  readonly aor: string
  readonly state: string
  readonly contacts: readonly ToldContact[]
}

/** What a NOTIFY of the reg event package says. */
export interface Told {
  readonly version: number
  readonly state: string
  readonly subscription: string
  readonly registrations: readonly ToldRegistration[]
}

/** Reads a NOTIFY; throws unless its body is a reginfo document. */
export function toldBy(notify: SipText): Told {
  const document = parseXml(notify.body)
  if (!document.ok || document.root.namespaceURI !== 'urn:ietf:params:xml:ns:reginfo') {
    throw new Error(`no reginfo: ${notify.raw}`)
  }
  const { root } = document
  return {
    version: Number(root.getAttribute('version')),
    state: root.getAttribute('state') ?? '',
    subscription: valueOf(notify, 'subscription-state'),
    registrations: childrenNamed(root, 'registration').map(registration => ({
      aor: registration.getAttribute('aor') ?? '',
      state: registration.getAttribute('state') ?? '',
      contacts: childrenNamed(registration, 'contact').map(contact => {
        const [open, hidden] = ['pub-gruu', 'temp-gruu'].map(name =>
          childNamed(contact, name)?.getAttribute('uri'),
        )
        const uri = childNamed(contact, 'uri')
        return {
          id: contact.getAttribute('id') ?? '',
          state: contact.getAttribute('state') ?? '',
          event: contact.getAttribute('event') ?? '',
          uri: uri === undefined ? '' : textOf(uri),
          ...(typeof open === 'string' ? { publicGruu: open } : {}),
          ...(typeof hidden === 'string' ? { temporaryGruu: hidden } : {}),
        }
      }),
    })),
  }
}

/** Waits for a NOTIFY, accepts it, and gives what it says. */
export async function nextTold(watcher: Pick<Phone, 'request' | 'reply'>): Promise<Told> {
  const notify = await watcher.request('NOTIFY')
  watcher.reply(notify, 200)
  return toldBy(notify)
}

/** Events of the contacts, as short text: `sip:alice@… created`. */
export function eventsOf(told: Told): readonly string[] {
  return told.registrations.flatMap(({ contacts }) => contacts.map(({ uri, event }) => `${uri} ${event}`))
}

/** Subscribes a phone to a registration and takes the first NOTIFY. */
export async function watch(
  watcher: Phone,
  aor: string,
  expires = 300,
): Promise<{ readonly dialog: Dialog; readonly told: Told; readonly answer: SipText }> {
  const sent = watcher.send('SUBSCRIBE', aor, { headers: subscribing(expires) })
  const answer = await watcher.response(sent)
  if (statusOf(answer) !== 200) throw new Error(`SUBSCRIBE was answered ${answer.raw}`)
  return { dialog: dialogOfCaller(sent, answer), told: await nextTold(watcher), answer }
}

/** The headers of a SUBSCRIBE to the reg event package. */
export function subscribing(expires: number): [string, string][] {
  return [
    ['Event', 'reg'],
    ['Accept', 'application/reginfo+xml'],
    ['Expires', `${expires}`],
  ]
}
