import { parseXml } from '../../lib/ims/xml.ts'
import {
  checkElement,
  type AttributeRule,
  type Content,
  type ElementRule,
  type TextType,
} from './xml-schema.ts'

/** TS 24.623, with the services of TS 24.604, 24.607, 24.608, 24.611 and 24.615. */
const SIMSERVS = 'http://uri.etsi.org/ngn/params/xml/simservs/xcap'
/** RFC 4745. */
const POLICY = 'urn:ietf:params:xml:ns:common-policy'

const boolean = oneOf('true', 'false', '1', '0')
const REVEAL = oneOf('true', 'false', 'not-reveal-GRUU')
const ANY_TEXT: TextType = () => undefined
const URI: TextType = text => (text === '' || /[\s<>"{}|\\^`]/.test(text) ? 'is not a URI' : undefined)
const ID: TextType = text =>
  /^[\p{L}_][\p{L}\p{N}\p{M}_.\-·]*$/u.test(text) ? undefined : 'is not an XML ID'
const NO_REPLY_TIMER: TextType = text =>
  /^\+?\d+$/.test(text) && Number(text) >= 5 && Number(text) <= 180
    ? undefined
    : 'is not a number from 5 to 180'

const EMPTY: Content = { kind: 'empty' }

function oneOf(...words: readonly string[]): TextType {
  return text => (words.includes(text) ? undefined : `is not one of ${words.join(', ')}`)
}

function ours(name: string, content: Content, more: Partial<ElementRule> = {}): ElementRule {
  return { namespace: SIMSERVS, name, content, ...more }
}

function policy(name: string, content: Content, more: Partial<ElementRule> = {}): ElementRule {
  return { namespace: POLICY, name, content, ...more }
}

function text(type: TextType): Content {
  return { kind: 'text', type }
}

/** Conditions that are an element without content (TS 24.604 §4.9.1.3, TS 24.611 §4.9.1.3). */
const FLAG_CONDITIONS = [
  'busy',
  'not-registered',
  'no-answer',
  'not-reachable',
  'roaming',
  'international',
  'international-exHC',
  'anonymous',
  'communication-diverted',
  'rule-deactivated',
  'unconditional',
]

const CONDITIONS = policy('conditions', {
  kind: 'choice',
  of: [
    ...FLAG_CONDITIONS.map(name => ours(name, EMPTY)),
    ours('media', text(ANY_TEXT)),
    ours('presence-status', text(ANY_TEXT)),
    policy('identity', { kind: 'any' }),
    policy('sphere', EMPTY, { attributes: { value: { type: ANY_TEXT, required: true } } }),
    policy('validity', { kind: 'any' }),
  ],
  others: namespace => namespace !== null && namespace !== POLICY,
})

const FORWARD_TO = ours('forward-to', {
  kind: 'sequence',
  of: [
    ours('target', text(URI), { required: true }),
    ours('notify-caller', text(boolean)),
    ours('reveal-identity-to-caller', text(REVEAL)),
    ours('reveal-served-user-identity-to-caller', text(REVEAL)),
    ours('notify-served-user', text(boolean)),
    ours('notify-served-user-on-outbound-call', text(boolean)),
    ours('reveal-identity-to-target', text(REVEAL)),
  ],
})

const RULE_ID: AttributeRule = { type: ID, required: true, id: true }

const RULE = policy(
  'rule',
  {
    kind: 'sequence',
    of: [
      CONDITIONS,
      policy('actions', {
        kind: 'choice',
        of: [FORWARD_TO, ours('allow', text(boolean))],
        others: namespace => namespace !== null && namespace !== POLICY,
      }),
      policy('transformations', {
        kind: 'choice',
        of: [],
        others: namespace => namespace !== null && namespace !== POLICY,
      }),
    ],
  },
  { attributes: { id: RULE_ID }, repeated: true },
)

/**
 * RFC 4745 makes a rule's id an xs:ID, unique in the document. The documents in use have a `rule0` in each ruleset,
 * the default one of new lines among them so that unique within the ruleset has to do.
 */
const RULESET = policy('ruleset', { kind: 'sequence', of: [RULE] }, { idScope: true })

const SERVICE_ATTRIBUTES = { attributes: { active: { type: boolean } }, openAttributes: true } as const

function service(name: string, ...children: readonly ElementRule[]): ElementRule {
  const content: Content = children.length === 0 ? EMPTY : { kind: 'sequence', of: children }
  return ours(name, content, SERVICE_ATTRIBUTES)
}

const DEFAULT_BEHAVIOUR = ours(
  'default-behaviour',
  text(oneOf('presentation-restricted', 'presentation-not-restricted')),
)

const ROOT = ours(
  'simservs',
  {
    kind: 'choice',
    of: [
      service('originating-identity-presentation'),
      service('originating-identity-presentation-restriction', DEFAULT_BEHAVIOUR),
      service('terminating-identity-presentation'),
      service('terminating-identity-presentation-restriction', DEFAULT_BEHAVIOUR),
      service('communication-waiting'),
      service('communication-diversion', ours('NoReplyTimer', text(NO_REPLY_TIMER)), RULESET),
      service('incoming-communication-barring', RULESET),
      service('outgoing-communication-barring', RULESET),
    ],
    // Services of MMTel that nothing here reads.
    others: namespace => namespace === SIMSERVS,
    last: ours('extensions', { kind: 'any' }),
  },
  { openAttributes: true },
)

/** Why a document cannot be stored as somebody's simservs, in one line; undefined if it can. */
export function simservsFault(document: string): string | undefined {
  const parsed = parseXml(document)
  return parsed.ok ? checkElement(parsed.root, ROOT) : parsed.message
}
