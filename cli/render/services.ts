/** What a user has set up for calls, as `cw user services show` prints it. */
export interface ServicesView {
  readonly public_id: string
  readonly document?: string
  readonly services?: Services
}

interface Services {
  readonly restriction: { readonly byDefault: boolean } | undefined
  readonly diversion:
    | {
        readonly noReplySeconds: number
        readonly rules: readonly (Rule & { readonly target: string })[]
      }
    | undefined
  readonly incomingBarring: readonly BarringRule[]
  readonly outgoingBarring: readonly BarringRule[]
}

interface Rule {
  readonly conditions: readonly { readonly kind: string; readonly media?: string }[]
}

interface BarringRule extends Rule {
  readonly allow: boolean
}

/** A line for each service, indented under the public id. */
export function formatServices({ public_id, document, services }: ServicesView): string {
  const lines =
    document === undefined
      ? ['nothing is set up']
      : services === undefined
        ? ['what is stored cannot be read, and does not count']
        : linesOf(services)
  return [`${public_id}:`, ...lines.map(line => `  ${line}`)].join('\n')
}

/** The same for programs. */
export function servicesEntry({
  public_id,
  document,
  services,
}: ServicesView): Readonly<Record<string, unknown>> {
  if (document === undefined) return { public_id }
  if (services === undefined) return { public_id, document }
  const { restriction, diversion, incomingBarring, outgoingBarring } = services
  return {
    public_id,
    document,
    services: {
      hide_identity: restriction === undefined ? 'never' : restriction.byDefault ? 'always' : 'on-request',
      barring_out: outgoingBarring,
      barring_in: incomingBarring,
      diversions: diversion?.rules ?? [],
      no_reply_seconds: diversion?.noReplySeconds ?? null,
    },
  }
}

function linesOf({ restriction, diversion, incomingBarring, outgoingBarring }: Services): readonly string[] {
  const rules = diversion?.rules ?? []
  const identity =
    restriction === undefined
      ? 'shown'
      : restriction.byDefault
        ? 'hidden, unless the call says otherwise'
        : 'shown, unless the call says otherwise'
  return [
    `identity: ${identity}`,
    `calls out: ${formatBarring(outgoingBarring)}`,
    `calls in: ${formatBarring(incomingBarring)}`,
    ...(rules.length === 0 ? ['diverted: none'] : []),
    ...rules.map(({ conditions, target }) => `diverted: ${formatConditions(conditions)} -> ${target}`),
    ...(diversion === undefined ? [] : [`rings for: ${diversion.noReplySeconds} s before nobody answers`]),
  ]
}

function formatBarring(rules: readonly BarringRule[]): string {
  if (rules.every(({ allow }) => allow)) return 'allowed'
  return rules
    .map(({ conditions, allow }) => `${formatConditions(conditions)} ${allow ? 'allowed' : 'barred'}`)
    .join('; ')
}

function formatConditions(conditions: Rule['conditions']): string {
  if (conditions.length === 0) return 'all'
  return conditions
    .map(condition => (condition.media === undefined ? condition.kind : `${condition.media} calls`))
    .join(' and ')
}
