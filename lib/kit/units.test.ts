import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { SystemdUnits } from './units.ts'

describe('the units of systemd', () => {
  let folder: string
  let units: SystemdUnits
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'cw-units-'))
    const program = join(folder, 'systemctl')
    writeFileSync(
      program,
      `#!/bin/sh
echo "$*" >> ${folder}/asked
is() { echo "ActiveState=$1"; echo "SubState=$2"; }
case "$1 $*" in
list*) printf 'clearwater-sprout.service enabled\\nclearwater-config-manager.service enabled enabled\\nother.service enabled\\n' ;;
show*--value*homer*) echo inactive ;;
show*--value*) echo active ;;
show*homer*) is inactive dead ;;
show*astaire*) case $(grep -c '^show.*astaire' ${folder}/asked) in
  1) is activating start ;; 2) is reloading reload ;; *) is active running ;; esac ;;
show*chronos*) is activating auto-restart ;;
show*) is active running ;;
reset*) exit 1 ;;
restart*bono*) echo 'Job for clearwater-bono.service failed.' >&2; exit 1 ;;
esac
`,
    )
    chmodSync(program, 0o755)
    units = new SystemdUnits(program)
  })
  afterAll(() => {
    rmSync(folder, { recursive: true })
  })
  const asked = (): string => readFileSync(join(folder, 'asked'), 'utf8')

  test('that do the work of a node are told apart from those that follow etcd', async () => {
    expect(await units.installed()).toEqual(['sprout'])
  })

  test('are reloaded only where they run', async () => {
    expect(await units.isActive('homer')).toBe(false)
    await units.reload('homer')
    await units.reload('sprout')
    expect(asked()).toContain('reload clearwater-sprout.service')
    expect(asked()).not.toContain('reload clearwater-homer.service')
  })

  test('that are just starting, or reading again, are told after it: they may have read too early', async () => {
    await units.reload('astaire')
    await units.reload('chronos')

    expect(asked().match(/^(show|reload).*astaire/gm)).toHaveLength(4)
    expect(asked()).toContain('reload clearwater-astaire.service')
    expect(asked()).not.toContain('reload clearwater-chronos.service')
  })

  test('have the names of daemons, not patterns', async () => {
    for (const name of ['*', 'bono*', 'bono.service x', '[a-z]', '../x', '']) {
      await expect(units.restart(name)).rejects.toThrow('is not the name of a daemon')
    }
    expect(asked()).not.toContain('restart')
  })

  test('that do not start say so in the words of systemctl', async () => {
    await units.restart('sprout')
    await expect(units.restart('bono')).rejects.toThrow('Job for clearwater-bono.service failed.')
  })
})
