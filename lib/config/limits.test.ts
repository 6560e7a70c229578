import { expect, test } from 'vitest'
import { DEFAULT_LIMITS, limitsOf } from './limits.ts'

test('the limits are those of the manual where nothing is set', () => {
  const { initTokenRate, ...overload } = DEFAULT_LIMITS.overload

  expect(overload).toEqual({ targetLatencyUs: 100_000, maxTokens: 1000, minTokenRate: 10 })
  expect(initTokenRate % 250).toBe(0)
  expect(DEFAULT_LIMITS).toMatchObject({
    sipBlacklist: 30_000,
    httpBlacklist: 30_000,
    upstreamConnections: 50,
    upstreamLifetime: 600_000,
  })
  expect(DEFAULT_LIMITS.statelessProxies.size).toBe(0)
})

test('what is set counts, unless it is nonsense', () => {
  const limits = limitsOf(
    new Map([
      ['target_latency_us', '20000'],
      ['max_tokens', 'many'],
      ['init_token_rate', '1500'],
      ['sip_blacklist_duration', '5'],
      ['stateless_proxies', 'Proxy.example.com,other.example.com'],
    ]),
  )

  expect(limits.overload).toMatchObject({ targetLatencyUs: 20_000, maxTokens: 1000, initTokenRate: 1500 })
  expect(limits.sipBlacklist).toBe(5000)
  expect([...limits.statelessProxies]).toEqual(['proxy.example.com', 'other.example.com'])
})
