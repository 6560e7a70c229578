// Programs from Debian that tests and benchmarks drive.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, existsSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Refusal } from './runtime.mjs'

/** Package, the program that shows it is there, and who drives it. */
const PACKAGES = [
  { name: 'sip-tester', program: 'sipp', for: ['integration', 'hosts', 'bench'] },
  { name: 'baresip', program: 'baresip', for: ['phones', 'hosts'] },
  { name: 'chromium', program: 'chromium', for: ['phones'] },
  { name: 'etcd-server', program: 'etcd', for: ['integration'] },
  { name: 'memcached', program: 'memcached', for: ['integration', 'bench'] },
  { name: 'openjdk-17-jre-headless', program: 'java', for: ['integration', 'hosts', 'bench'] },
  { name: 'maven', program: 'mvn', for: ['integration', 'hosts', 'bench'] },
  { name: 'snmpd', program: 'snmpd', for: ['integration'] },
  { name: 'snmp', program: 'snmpwalk', for: ['integration'] },
  { name: 'bind9', program: 'named', for: ['integration', 'hosts'] },
  { name: 'bind9-dnsutils', program: 'nsupdate', for: ['integration', 'hosts'] },
  { name: 'openssh-server', program: 'sshd', for: ['integration'] },
  { name: 'sudo', program: 'sudo', for: ['integration'] },
  { name: 'fish', program: 'fish', for: ['unit', 'integration'] },
  { name: 'tcsh', program: 'tcsh', for: ['unit', 'integration'] },
  { name: 'mmdebstrap', program: 'mmdebstrap', for: ['hosts'] },
  { name: 'arch-test', program: 'arch-test', for: ['hosts'] },
  { name: 'systemd-container', program: 'systemd-nspawn', for: ['hosts'] },
  { name: 'apt-cacher-ng', program: 'apt-cacher-ng', for: ['hosts'] },
  { name: 'iproute2', program: 'ip', for: ['hosts'] },
  { name: 'nftables', program: 'nft', for: ['hosts'] },
  { name: 'openssh-client', program: 'ssh', for: ['hosts'] },
  { name: 'kamailio', program: 'kamailio', for: ['bench'] },
]

const POLICY = '/usr/sbin/policy-rc.d'

/** The packages whose program is wanted by one of the named suites. */
export function packagesFor(suites) {
  return PACKAGES.filter(each => each.for.some(suite => suites.includes(suite)))
}

/** Installs what is missing when that is possible; else says what to install, and refuses. */
export function requireDebianPackages(packages) {
  const missing = packages.filter(each => !installed(each.program)).map(each => each.name)
  if (missing.length === 0) return
  const command = `apt-get install -y --no-install-recommends ${missing.join(' ')}`
  if (process.getuid?.() !== 0 || !installed('apt-get')) {
    throw new Refusal(`the tests need ${missing.join(', ')}. Install with: sudo ${command}`)
  }
  console.error(`installing ${missing.join(' ')} (apt-get)`)
  withoutStartingDaemons(() => {
    apt('update')
    apt('install', '-y', '--no-install-recommends', ...missing)
  })
}

function apt(...args) {
  const { status } = spawnSync('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=300', ...args], {
    stdio: ['ignore', 2, 2],
    env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
  })
  if (status !== 0) throw new Refusal(`apt-get ${args.join(' ')} failed; its messages are above.`)
}

/** A package's daemon would take the very ports that the tests use. */
function withoutStartingDaemons(install) {
  if (existsSync(POLICY)) return install()
  writeFileSync(POLICY, '#!/bin/sh\nexit 101\n', { mode: 0o755 })
  const remove = () => rmSync(POLICY, { force: true })
  process.on('exit', remove)
  try {
    return install()
  } finally {
    remove()
    process.off('exit', remove)
  }
}

function installed(program) {
  const folders = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/bin']
  return folders.some(folder => {
    try {
      accessSync(join(folder, program), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
