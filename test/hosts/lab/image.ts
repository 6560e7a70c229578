import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { arch } from 'node:os'
import { join } from 'node:path'
import { POM } from '../../support/cassandra.ts'
import { CASSANDRA_RECIPE, CASSANDRA_REPOSITORY, makeCassandraRepository } from './cassandra-package.ts'
import { timed, tool } from './command.ts'
import { LAYERS, STORE, type Layer } from './environment.ts'

/** What a clean Debian server has, and little more: most of what a deployment needs has to come by its own apt. */
const BASE_PACKAGES = [
  ...['systemd', 'systemd-sysv', 'libpam-systemd', 'dbus', 'openssh-server', 'sudo', 'iproute2', 'iptables'],
  ...['iputils-ping', 'netbase', 'procps', 'ca-certificates', 'apt-utils', 'curl', 'python3-minimal', 'less'],
]

/** The Debian packages of a deployed node, so that tests of failures need not wait for apt. None is started. */
const SERVICE_PACKAGES = [
  ...['etcd-server', 'etcd-client', 'memcached', 'snmpd', 'keepalived', 'dnsmasq', 'bind9', 'bind9-dnsutils'],
  ...['nftables', 'logrotate', 'chrony', 'rsyslog', 'openjdk-17-jre-headless'],
]

/** Runs in the new base image. `$1` is the apt proxy as hosts reach it. */
const BASE_SCRIPT = `
# Some packages' install scripts fail without these.
mkdir -p /usr/share/man/man1 /usr/share/man/man2 /usr/share/man/man3 /usr/share/man/man4 /usr/share/man/man5
mkdir -p /usr/share/man/man6 /usr/share/man/man7 /usr/share/man/man8 /usr/share/man/man9
# Each host has its own.
rm -f /etc/ssh/ssh_host_*
: >/etc/machine-id
rm -f /etc/resolv.conf
: >/etc/resolv.conf
# What the image was made with is none of the hosts' business.
rm -f /etc/apt/apt.conf.d/99mmdebstrap /etc/dpkg/dpkg.cfg.d/99mmdebstrap
echo "Acquire::http::Proxy \\"$1\\";" >/etc/apt/apt.conf.d/90lab-proxy
useradd --create-home --shell /bin/bash ops
echo 'ops ALL=(ALL) NOPASSWD:ALL' >/etc/sudoers.d/ops
chmod 440 /etc/sudoers.d/ops
# The journal of a host that was killed can be read afterwards.
mkdir -p /var/log/journal
systemctl set-default multi-user.target
systemctl mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer fstrim.timer \\
  systemd-tmpfiles-clean.timer getty.target console-getty.service systemd-resolved.service \\
  systemd-networkd.service systemd-networkd-wait-online.service
`

/** Runs in a copy of the base. `$1` is the apt proxy as the machine reaches it. */
const SERVICES_SCRIPT = `
printf '#!/bin/sh\\nexit 101\\n' >/usr/sbin/policy-rc.d
chmod 755 /usr/sbin/policy-rc.d
export DEBIAN_FRONTEND=noninteractive
apt-get -q -o "Acquire::http::Proxy=$1" -o DPkg::Options::=--force-unsafe-io install -y --no-install-recommends \\
  ${SERVICE_PACKAGES.join(' ')}
rm /usr/sbin/policy-rc.d
apt-get clean
# Two name servers and a load of idle daemons on every host would tell tests nothing.
for unit in etcd memcached snmpd keepalived dnsmasq named nftables chrony; do systemctl disable "$unit"; done
`

/** The machine's own apt sources: those of the distribution, not what else somebody has added. */
const SOURCES = [
  '/etc/apt/sources.list',
  '/etc/apt/sources.list.d/debian.sources',
  '/etc/apt/sources.list.d/ubuntu.sources',
]

export interface ImageOptions {
  /** Where the builder reaches the apt proxy, and where hosts will, as URLs. */
  readonly proxyHere: string
  readonly proxyInLab: string
}

/**
 * The folders of each layer, the topmost first; built if the recipe has changed since they were kept.
 *
 * Images of other recipes are removed.
 */
export async function openImages(options: ImageOptions): Promise<Record<Layer, string[]>> {
  const recipe = recipeHash(options.proxyInLab)
  const folder = join(STORE, 'images', recipe)
  removeOthers(join(STORE, 'images'), recipe)
  mkdirSync(folder, { recursive: true })
  const [base, services] = LAYERS.map(layer => join(folder, layer)) as [string, string]
  await buildOnce('base image', base, building => buildBase(building, options))
  await buildOnce('services layer', services, building => buildServices(base, building, options))
  return { base: [base], services: [services, base] }
}

/** Builds beside and moves into place, so that an aborted build is never taken for an image. */
async function buildOnce(
  what: string,
  folder: string,
  build: (building: string) => Promise<void>,
): Promise<void> {
  if (existsSync(folder)) return
  const building = `${folder}.new`
  rmSync(building, { recursive: true, force: true })
  await timed(`${what} built`, () => build(building))
  renameSync(building, folder)
}

async function buildBase(folder: string, { proxyHere, proxyInLab }: ImageOptions): Promise<void> {
  await tool(
    'mmdebstrap',
    ...['--mode=root', '--variant=minbase', `--include=${BASE_PACKAGES.join(',')}`],
    ...[`--aptopt=Acquire::http::Proxy "${proxyHere}"`, '--dpkgopt=force-unsafe-io'],
    // Hosts install packages without fetching the lists again.
    '--skip=cleanup/apt/lists',
    ...[release(), folder, ...sources()],
  )
  await tool('chroot', folder, 'sh', '-euc', BASE_SCRIPT, 'sh', proxyInLab)
}

/** Installs on top of the base in a mount namespace of its own: what it has mounted goes with it, come what may. */
async function buildServices(base: string, folder: string, { proxyHere }: ImageOptions): Promise<void> {
  const work = `${folder}.work`
  const merged = `${folder}.merged`
  rmSync(work, { recursive: true, force: true })
  for (const each of [folder, work, merged]) mkdirSync(each, { recursive: true })
  const repository = await makeCassandraRepository()
  const script = `
    mount -t overlay -o "lowerdir=$1,upperdir=$2,workdir=$3" overlay "$4"
    mount -t proc proc "$4/proc"
    mount --bind /dev "$4/dev"
    chroot "$4" sh -euc "$5" sh "$6"
    mkdir -p "$4$7"
    cp -a "$8/." "$4$7"
  `
  const places = [base, folder, work, merged]
  await tool(
    ...(['unshare', '--mount', '--pid', '--fork', '--kill-child'] as const),
    ...['sh', '-euc', script, 'sh', ...places, SERVICES_SCRIPT, proxyHere, CASSANDRA_REPOSITORY, repository],
  )
  rmSync(repository, { recursive: true })
  for (const each of [work, merged]) rmSync(each, { recursive: true, force: true })
}

/** Changes with this file, with the machine's sources and release, and with where hosts find the proxy. */
function recipeHash(proxyInLab: string): string {
  const texts = [import.meta.filename, CASSANDRA_RECIPE, POM, ...sources()].map(file =>
    readFileSync(file, 'utf8'),
  )
  const recipe = JSON.stringify([texts, proxyInLab, release(), arch()])
  return createHash('sha256').update(recipe).digest('hex').slice(0, 16)
}

function removeOthers(folder: string, recipe: string): void {
  if (!existsSync(folder)) return
  for (const name of readdirSync(folder)) {
    if (name !== recipe) rmSync(join(folder, name), { recursive: true, force: true })
  }
}

function sources(): string[] {
  return SOURCES.filter(file => existsSync(file) && readFileSync(file, 'utf8').trim() !== '')
}

/** The machine's own release, by the name that its sources use. */
function release(): string {
  const name = /^VERSION_CODENAME="?([a-z]+)"?$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1]
  if (name === undefined) throw new Error('/etc/os-release names no release to build hosts of')
  return name
}
