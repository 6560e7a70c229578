import type { Element } from 'slimdom'
import type { ChargingAddresses, RegistrationData, RegistrationState } from './homestead.ts'
import { formatImsSubscription, subscriptionOf } from './subscription-xml.ts'
import { childNamed, childrenNamed, escapeXml, parseXml, textOf, type XmlFailure } from './xml.ts'

const STATES: readonly RegistrationState[] = ['REGISTERED', 'UNREGISTERED', 'NOT_REGISTERED']

/** The ClearwaterRegData document that homestead answers a question for registration data with. */
export function formatRegData(data: RegistrationData): string {
  const previous =
    data.previousState === undefined
      ? ''
      : `<PreviousRegistrationState>${data.previousState}</PreviousRegistrationState>`
  const subscription = data.subscription === undefined ? '' : formatImsSubscription(data.subscription)
  const state = `<RegistrationState>${data.state}</RegistrationState>`
  const charging = formatCharging(data.charging)
  return `<ClearwaterRegData>${state}${previous}${subscription}${charging}</ClearwaterRegData>`
}

export function parseRegData(
  xml: string,
): { readonly ok: true; readonly data: RegistrationData } | XmlFailure {
  const document = parseXml(xml)
  if (!document.ok) return document
  const { root } = document
  if (root.localName !== 'ClearwaterRegData')
    return { ok: false, message: `root element ${root.localName} instead of ClearwaterRegData` }
  const state = stateOf(childNamed(root, 'RegistrationState'))
  if (state === undefined) return { ok: false, message: 'no RegistrationState' }
  const previousState = stateOf(childNamed(root, 'PreviousRegistrationState'))
  const element = childNamed(root, 'IMSSubscription')
  const subscription = element && subscriptionOf(element)
  if (subscription?.ok === false) return subscription
  return {
    ok: true,
    data: {
      state,
      ...(previousState === undefined ? {} : { previousState }),
      ...(subscription === undefined ? {} : { subscription: subscription.subscription }),
      charging: chargingOf(childNamed(root, 'ChargingAddresses')),
    },
  }
}

function stateOf(element: Element | undefined): RegistrationState | undefined {
  const text = element && textOf(element)
  return STATES.find(state => state === text)
}

function formatCharging({ ccf, ecf }: ChargingAddresses): string {
  if (ccf.length === 0 && ecf.length === 0) return ''
  const list = (name: string, addresses: readonly string[]): string =>
    addresses.map((address, i) => `<${name} priority="${i + 1}">${escapeXml(address)}</${name}>`).join('')
  return `<ChargingAddresses>${list('CCF', ccf)}${list('ECF', ecf)}</ChargingAddresses>`
}

function chargingOf(element: Element | undefined): ChargingAddresses {
  const list = (name: string): string[] =>
    (element === undefined ? [] : childrenNamed(element, name))
      .map(child => ({ priority: Number(child.getAttribute('priority')), address: textOf(child) }))
      .sort((a, b) => a.priority - b.priority)
      .map(({ address }) => address)
  return { ccf: list('CCF'), ecf: list('ECF') }
}
