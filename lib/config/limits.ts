import { availableParallelism } from 'node:os'
import { seconds, type Duration } from '../kit/clock.ts'
import { findOption } from './options.ts'
import { checkValue, entriesOf } from './value.ts'

/** How a daemon holds out against load, and against peers that do not answer. */
export interface Limits {
  readonly overload: {
    readonly targetLatencyUs: number
    readonly maxTokens: number
    readonly initTokenRate: number
    readonly minTokenRate: number
  }
  readonly sipBlacklist: Duration
  readonly httpBlacklist: Duration
  /** Hosts in lower case. */
  readonly statelessProxies: ReadonlySet<string>
  readonly upstreamConnections: number
  readonly upstreamLifetime: Duration
  /** Most processor time that a resynchronisation takes, in hundredths of one processor's. */
  readonly astaireCpu: number
}

const TOKENS_PER_CORE = 250

/**
 * The limits that a node's configuration files give.
 *
 * @param values option name to value; an absent one, and one that validation refuses, is at its default
 */
export function limitsOf(values: ReadonlyMap<string, string>): Limits {
  const text = (name: string): string | undefined => {
    const option = findOption(name)
    if (option === undefined) throw new TypeError(`${name} is no option`)
    const given = values.get(name)
    return given === undefined || checkValue(option, given) !== undefined ? option.default : given
  }
  const number = (name: string): number => Number(text(name))
  const proxies = text('stateless_proxies')
  return {
    overload: {
      targetLatencyUs: number('target_latency_us'),
      maxTokens: number('max_tokens'),
      initTokenRate: Number(text('init_token_rate') ?? TOKENS_PER_CORE * availableParallelism()),
      minTokenRate: number('min_token_rate'),
    },
    sipBlacklist: seconds(number('sip_blacklist_duration')),
    httpBlacklist: seconds(number('http_blacklist_duration')),
    statelessProxies: new Set(proxies === undefined ? [] : entriesOf(proxies.toLowerCase())),
    upstreamConnections: number('upstream_connections'),
    upstreamLifetime: seconds(number('upstream_recycle_connections')),
    astaireCpu: number('astaire_cpu_limit_percentage'),
  }
}

/** Every limit at its default. */
export const DEFAULT_LIMITS: Limits = limitsOf(new Map())
