import { createHash } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { ACCESS, jars, MAIN_CLASS } from '../../support/cassandra.ts'
import { tool } from './command.ts'

/** Where hosts of the services layer have a repository that holds Cassandra; their apt does not know it yet. */
export const CASSANDRA_REPOSITORY = '/srv/cassandra'

/** What an operator adds to a host so that its apt finds Cassandra. */
export const CASSANDRA_SOURCE = `deb [trusted=yes] file:${CASSANDRA_REPOSITORY} ./`

/** The file that says how it is made. */
export const CASSANDRA_RECIPE = import.meta.filename

const CONTROL = `Package: cassandra
Version: 5.0.4
Architecture: all
Maintainer: Clearwater tests <nobody@localhost>
Depends: openjdk-17-jre-headless, procps
Description: Cassandra for tests, laid out as the package of the Apache project
`

const POSTINST = `#!/bin/sh -e
getent passwd cassandra >/dev/null || useradd --system --home-dir /var/lib/cassandra --no-create-home cassandra
chown -R cassandra: /var/lib/cassandra /var/log/cassandra
systemctl daemon-reload
# As the Apache project's does, unless somebody forbids it.
systemctl enable --quiet cassandra
invoke-rc.d cassandra start || true
`

/** Takes what the real one takes: JVM_EXTRA_OPTS, MAX_HEAP_SIZE, CASSANDRA_LOG_DIR. */
const SCRIPT = `#!/bin/sh -e
exec java -Xms\${MAX_HEAP_SIZE:-400M} -Xmx\${MAX_HEAP_SIZE:-400M} -XX:+UseSerialGC -Xss256k -XX:TieredStopAtLevel=1 \\
  -Dcassandra.storagedir=/var/lib/cassandra -Dcassandra.logdir="\${CASSANDRA_LOG_DIR:-/var/log/cassandra}" \\
  -Dcassandra-foreground=yes -Dcassandra.jmx.local.port=7199 -Djdk.attach.allowAttachSelf=true \\
  ${ACCESS.join(' ')} \\
  -Dcassandra.ring_delay_ms=3000 \\
  $JVM_EXTRA_OPTS -cp "/etc/cassandra:/usr/share/cassandra/lib/*" ${MAIN_CLASS}
`

const NODETOOL = `#!/bin/sh -e
exec java -Xmx64M ${ACCESS.join(' ')} -Dlogback.configurationFile=/etc/cassandra/logback-tools.xml \\
  -cp "/etc/cassandra:/usr/share/cassandra/lib/*" org.apache.cassandra.tools.NodeTool "$@"
`

const UNIT = `[Unit]
Description=Cassandra as its package would run it
[Service]
User=cassandra
ExecStart=/usr/sbin/cassandra -f
[Install]
WantedBy=multi-user.target
`

const LOGBACK = `<configuration>
  <appender name="FILE" class="ch.qos.logback.core.FileAppender">
    <file>\${cassandra.logdir}/system.log</file>
    <encoder><pattern>%-5level %date{ISO8601} %logger{20} %msg%n</pattern></encoder>
  </appender>
  <root level="INFO"><appender-ref ref="FILE"/></root>
</configuration>
`

/** Makes a folder that apt can install a real Cassandra from: Debian has none, and the Apache project's is out of reach. */
export async function makeCassandraRepository(): Promise<string> {
  const work = mkdtempSync(join(tmpdir(), 'cw-cassandra-deb-'))
  const root = join(work, 'root')
  const write = (path: string, text: string, mode = 0o644): void => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), text, { mode })
  }
  write('DEBIAN/control', CONTROL)
  write('DEBIAN/postinst', POSTINST, 0o755)
  write('usr/sbin/cassandra', SCRIPT, 0o755)
  write('usr/bin/nodetool', NODETOOL, 0o755)
  write('lib/systemd/system/cassandra.service', UNIT)
  write('etc/cassandra/logback.xml', LOGBACK)
  write('etc/cassandra/logback-tools.xml', '<configuration><root level="OFF"/></configuration>\n')
  for (const folder of ['var/lib/cassandra', 'var/log/cassandra'])
    mkdirSync(join(root, folder), { recursive: true })
  cpSync(jars(), join(root, 'usr/share/cassandra/lib'), { recursive: true })

  const repository = join(work, 'repository')
  mkdirSync(repository)
  const file = join(repository, 'cassandra.deb')
  await tool('dpkg-deb', '--root-owner-group', '-Znone', '--build', root, file)
  rmSync(root, { recursive: true })
  const sha256 = createHash('sha256').update(readFileSync(file)).digest('hex')
  const index = `${CONTROL.trimEnd()}\nFilename: ./cassandra.deb\nSize: ${statSync(file).size}\nSHA256: ${sha256}\n`
  writeFileSync(join(repository, 'Packages'), index)
  return repository
}
