import { expect, test } from 'vitest'
import { sharedConfigOf } from '../../../lib/config/deployment/node-files.ts'
import type { EtcdView } from '../../fleet/actions/action.ts'
import { deploymentOf } from '../testing/deployment.ts'
import { settingsLeftAlone } from './objections.ts'

const deployment = {
  ...deploymentOf({ a: ['sprout'], b: ['homestead'] }),
  settings: new Map([
    ['reg_max_expires', '600'],
    ['smtp_username', "it's"],
  ]),
}

function etcdWith(text: string): EtcdView {
  const key = '/clearwater/site1/configuration/shared_config'
  return { state: 'healthy', members: [], values: new Map([[key, text]]) }
}

test('a setting that the deployment file gives another value than etcd is told, with what changes it there', () => {
  const shared = sharedConfigOf(deployment, () => '')
  expect(settingsLeftAlone(deployment, etcdWith(shared))).toEqual([])
  const older = shared.replace('reg_max_expires=600', 'reg_max_expires=300').replace(/smtp_username=.*\n/, '')
  expect(settingsLeftAlone(deployment, etcdWith(`${older}max_session_expires=1200\n`))).toEqual([
    'reg_max_expires is 600 in the deployment file and 300 in etcd (site1), which a deploy leaves alone; ' +
      'to change it there: cw config set reg_max_expires=600',
    "smtp_username is it's in the deployment file and not set in etcd (site1), which a deploy leaves alone; " +
      String.raw`to change it there: cw config set 'smtp_username=it'\''s'`,
  ])
})

test('where etcd does not have a configuration yet there is nothing to tell', () => {
  expect(settingsLeftAlone(deployment, { state: 'none' })).toEqual([])
  expect(settingsLeftAlone(deployment, { state: 'healthy', members: [], values: new Map() })).toEqual([])
})
