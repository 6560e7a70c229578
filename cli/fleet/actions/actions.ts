import { absent, type AbsentChange } from './absent.ts'
import { account, type AccountChange } from './account.ts'
import type { Action, ChangeBase } from './action.ts'
import { block } from './block.ts'
import { cassandraMember, type CassandraMemberChange } from './cassandra-member.ts'
import { certificate, type CertificateChange } from './certificate.ts'
import { command, type CommandChange } from './command.ts'
import { directory, type DirectoryChange } from './directory.ts'
import { etcdMember, type EtcdMemberChange } from './etcd-member.ts'
import { etcdSeed, type EtcdSeedChange } from './etcd-seed.ts'
import { etcdValue, type EtcdValueChange } from './etcd-value.ts'
import { file, type FileChange } from './file.ts'
import { link, type LinkChange } from './link.ts'
import { packages, type PackagesChange } from './packages.ts'
import { recorded, type RecordedChange } from './recorded.ts'
import { release, type ReleaseChange } from './release.ts'
import { retire, type RetireChange } from './retire.ts'
import { unit, type UnitChange } from './unit.ts'
import { waitUntil, type WaitChange } from './wait-until.ts'

/** Every action by its name in a playbook. */
export const ACTIONS = {
  absent,
  account,
  block,
  'cassandra-member': cassandraMember,
  certificate,
  command,
  directory,
  'etcd-member': etcdMember,
  'etcd-seed': etcdSeed,
  'etcd-value': etcdValue,
  file,
  link,
  packages,
  recorded,
  release,
  retire,
  unit,
  'wait-until': waitUntil,
}

export type ActionName = keyof typeof ACTIONS

/** What would change, or has changed, on a node: one of the actions' own. */
export type Change =
  | AbsentChange
  | AccountChange
  | CassandraMemberChange
  | CertificateChange
  | CommandChange
  | DirectoryChange
  | EtcdMemberChange
  | EtcdSeedChange
  | EtcdValueChange
  | FileChange
  | LinkChange
  | PackagesChange
  | RecordedChange
  | ReleaseChange
  | RetireChange
  | UnitChange
  | WaitChange

/** An action without its own types: its parameters have passed its schema, its changes are its own. */
export function actionNamed(name: ActionName): Action<unknown, ChangeBase> {
  return ACTIONS[name]
}
