/** One thing that `cw check` looks at. Codes are stable: scripts may rely on them. */
export interface Check {
  readonly title: string
  /** What goes wrong where it is not so. */
  readonly why: string
  readonly remedy: string
}

/** Everything that is checked, in the order in which it is told. */
export const CHECKS = {
  REACH: {
    title: 'every node can be logged in to by SSH',
    why: 'all work on nodes goes over SSH',
    remedy: 'correct address, ssh.user, ssh.port, ssh.identity_file or ssh.jump in the deployment file',
  },
  SUDO: {
    title: 'the user on the node becomes root without a password',
    why: 'packages, units and files of a deployment belong to root, and nobody is there to type a password',
    remedy: 'give the user "NOPASSWD: ALL" in /etc/sudoers.d, or log in as root',
  },
  OS: {
    title: 'the node runs Debian 12 or later, or Ubuntu 22.04 or later',
    why: 'packages, paths and systemd are used as these have them',
    remedy: 'install the host with Debian 12',
  },
  SYSTEMD: {
    title: 'systemd is what runs the node, and it is not degraded',
    why: 'every daemon is a unit of systemd, with readiness and watchdog',
    remedy: 'systemctl --failed names the units that are not well',
  },
  ARCH: {
    title: 'all nodes have the processor that this cw was made for',
    why: 'a release brings its own Node runtime, which is made for one kind of processor',
    remedy: 'run cw deploy from a machine of the same kind, or give it such a release: --release FILE',
  },
  DISK: {
    title: 'at least 2 GiB are free where releases and data go, and less than 90 % are used',
    why: 'a full disk stops registrations and the shared configuration',
    remedy: 'make room, or give the host a larger disk',
  },
  MEMORY: {
    title: 'the node has at least 1 GiB of memory',
    why: 'each daemon takes some 100 to 200 MiB',
    remedy: 'give the host more memory, or the node fewer roles',
  },
  CLOCK: {
    title: 'the clocks of all nodes and this machine differ by less than two seconds',
    why: 'leases, registrations and the order of log lines go by the clock',
    remedy: 'let the host keep time: timedatectl set-ntp true',
  },
  PORTS_FREE: {
    title: 'the ports of the node’s roles are free, or held by Clearwater itself',
    why: 'a daemon cannot start on a port that another program holds',
    remedy: 'stop the program that holds the port, or let it listen elsewhere',
  },
  PORTS_REACHABLE: {
    title: 'nodes reach each other on the ports of the manual’s port tables',
    why: 'a firewall or security group on the way drops what the roles say to each other',
    remedy: 'open the port from that node to that node: manual, "Clearwater IP Port Usage"',
  },
  DNS: {
    title: 'the zone has the records that the deployment needs',
    why: 'phones find the edge proxies, and nodes each other, by the home domain’s A, SRV and NAPTR records',
    remedy: 'put the records into the zone: cw dns zone prints them',
  },
  SOFTWARE: {
    title: 'no other software is on the node that does the same or stands in the way',
    why: 'another SIP server, DNS server or etcd takes ports and answers in our place',
    remedy: 'stop and disable it, or use another host',
  },
  APT: {
    title: 'the node reaches the package sources of its own apt',
    why: 'etcd and other parts are Debian packages',
    remedy: 'correct /etc/apt/sources.list or apt’s proxy on the node',
  },
  PACKAGES: {
    title: 'the packages that the deployment needs are installed, or apt has them',
    why: 'cw deploy installs them by the host’s own apt',
    remedy: 'sudo apt-get update on the node; then look at apt-cache policy PACKAGE',
  },
} as const satisfies Record<string, Check>

export type CheckCode = keyof typeof CHECKS

export const CHECK_CODES = Object.keys(CHECKS) as readonly CheckCode[]

/** What was found: `no` stops a deployment, `warning` does not, `unknown` could not be looked at. */
export type Result = 'ok' | 'warning' | 'no' | 'unknown'

export interface Finding {
  readonly code: CheckCode
  readonly result: Result
  /** Absent: it concerns the deployment as a whole. */
  readonly node?: string
  readonly message: string
}
