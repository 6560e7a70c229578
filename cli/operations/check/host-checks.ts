import type { Deployment, DeploymentNode } from '../../../lib/config/deployment/deployment.ts'
import { firewallRules } from '../../fleet/playbook/firewall.ts'
import type { CheckCode, Finding, Result } from './catalogue.ts'
import { isInTheWay, type Examined } from './examine.ts'

const LEAST_FREE_KIB = 2 * 1024 * 1024
const MOST_USED = 0.9
const LEAST_MEMORY_KIB = 1024 * 1024
const MOST_CLOCK_DIFFERENCE_MS = 2_000
/** The oldest that will do, by ID of os-release. */
const OLDEST: Readonly<Record<string, number>> = { debian: 12, ubuntu: 22.04 }

/** What Node calls a processor, by what `uname -m` calls it. */
const MACHINES: Readonly<Record<string, string>> = { x86_64: 'x64', aarch64: 'arm64' }

export interface Host {
  readonly node: DeploymentNode
  readonly deployment: Deployment
  readonly found: Examined
  /** What this `cw` runs on, as Node calls it. */
  readonly arch: string
}

/** All that can be said of a host by itself. */
export function hostFindings(host: Host): readonly Finding[] {
  const { node } = host
  return Object.entries(HOST_CHECKS).map(([code, check]) => {
    const [result, message] = check(host)
    return { code: code as CheckCode, result, node: node.name, message }
  })
}

type Answer = readonly [Result, string]

const HOST_CHECKS: Readonly<Partial<Record<CheckCode, (host: Host) => Answer>>> = {
  SUDO: ({ found, node }) =>
    found.isRoot
      ? ['ok', 'root without a password']
      : ['no', `${node.ssh.user} may not become root without a password`],
  OS: ({ found: { os, osVersion } }) => {
    const name = `${os} ${osVersion}`.trim()
    const oldest = OLDEST[os]
    if (oldest === undefined) return ['no', `it runs ${name}`]
    return Number(osVersion) >= oldest
      ? ['ok', name]
      : ['no', `${name} is too old; ${os} ${oldest} is the oldest`]
  },
  SYSTEMD: ({ found: { systemd } }) => {
    if (systemd === '') return ['no', 'systemd does not run it']
    return systemd === 'running' ? ['ok', systemd] : ['warning', `systemd says: ${systemd}`]
  },
  ARCH: ({ found: { machine }, arch }) =>
    MACHINES[machine] === arch
      ? ['ok', machine]
      : ['no', `its processor is ${machine}, and this cw runs on ${arch}`],
  DISK: ({ found: { freeKiB, totalKiB } }) => {
    const free = `${gibibytes(freeKiB)} of ${gibibytes(totalKiB)} are free`
    if (freeKiB < LEAST_FREE_KIB) return ['no', free]
    return freeKiB < totalKiB * (1 - MOST_USED) ? ['warning', free] : ['ok', free]
  },
  MEMORY: ({ found: { memoryKiB } }) => [
    memoryKiB < LEAST_MEMORY_KIB * 0.9 ? 'warning' : 'ok',
    `${gibibytes(memoryKiB)} of memory`,
  ],
  CLOCK: ({ found: { clockAheadMs } }) => {
    const seconds = Math.abs(clockAheadMs / 1000).toFixed(1)
    if (Math.abs(clockAheadMs) <= MOST_CLOCK_DIFFERENCE_MS) return ['ok', 'as here']
    return ['no', `${seconds} s ${clockAheadMs > 0 ? 'ahead of' : 'behind'} this machine`]
  },
  PORTS_FREE: portsFree,
  SOFTWARE: ({ found: { rivals } }) => {
    if (rivals.length === 0) return ['ok', 'nothing in the way']
    return ['warning', `${rivals.join(', ')} ${rivals.length === 1 ? 'runs' : 'run'} there`]
  },
  APT: ({ found: { deafSources } }) =>
    deafSources.length === 0 ? ['ok', 'reached'] : ['warning', `no answer from ${deafSources.join(', ')}`],
  PACKAGES: ({ found: { missingPackages, hasPackageLists } }) => {
    if (missingPackages.length === 0) return ['ok', 'installed, or known to apt']
    const names = missingPackages.join(', ')
    return hasPackageLists
      ? ['no', `apt does not know ${names}`]
      : ['warning', `apt has no package lists yet; cw deploy gets them, and then ${names}`]
  },
}

function portsFree({ node, deployment, found: { listeners } }: Host): Answer {
  if (listeners === undefined) return ['unknown', 'the host has no program ss (package iproute2)']
  const wanted = firewallRules(deployment, node).filter(rule => typeof rule.port === 'number')
  const taken = listeners.filter(
    listener =>
      !listener.unit.startsWith('clearwater-') &&
      isInTheWay(listener, node) &&
      wanted.some(rule => rule.protocol === listener.protocol && rule.port === listener.port),
  )
  const told = taken.map(
    ({ protocol, port, process, unit }) =>
      `${protocol} ${port} by ${process === '?' ? 'another program' : process}${unit === '?' ? '' : ` (${unit})`}`,
  )
  return taken.length === 0 ? ['ok', 'free, or our own'] : ['no', `held: ${[...new Set(told)].join(', ')}`]
}

function gibibytes(kib: number): string {
  return `${(kib / 1024 / 1024).toFixed(1)} GiB`
}
