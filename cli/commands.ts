import type { Command } from '@oclif/core'
import Bundle from './commands/bundle.ts'
import ConfigDiff from './commands/config/diff.ts'
import ConfigEdit from './commands/config/edit.ts'
import ConfigExport from './commands/config/export.ts'
import ConfigGet from './commands/config/get.ts'
import ConfigHistory from './commands/config/history.ts'
import ConfigImport from './commands/config/import.ts'
import ConfigSet from './commands/config/set.ts'
import ConfigUnset from './commands/config/unset.ts'
import ConfigCheck from './commands/config/check.ts'
import ConfigExplain from './commands/config/explain.ts'
import ConfigSchema from './commands/config/schema.ts'
import Check from './commands/check.ts'
import ClusterShow from './commands/cluster/show.ts'
import Daemon from './commands/daemon.ts'
import Deploy from './commands/deploy.ts'
import Destroy from './commands/destroy.ts'
import Help from './commands/help.ts'
import History from './commands/history.ts'
import Init from './commands/init.ts'
import RecoverEtcd from './commands/recover/etcd.ts'
import Replace from './commands/replace.ts'
import Resume from './commands/resume.ts'
import Rollback from './commands/rollback.ts'
import SiteFailOver from './commands/site/fail-over.ts'
import Status from './commands/status.ts'
import Restart from './commands/restart.ts'
import Scale from './commands/scale.ts'
import DnsPush from './commands/dns/push.ts'
import DnsZone from './commands/dns/zone.ts'
import Exec from './commands/exec.ts'
import Ssh from './commands/ssh.ts'
import Logs from './commands/logs.ts'
import NodeForget from './commands/node/forget.ts'
import Undrain from './commands/undrain.ts'
import Upgrade from './commands/upgrade.ts'
import Up from './commands/up.ts'
import UserCreate from './commands/user/create.ts'
import UserDelete from './commands/user/delete.ts'
import UserDeregister from './commands/user/deregister.ts'
import UserImport from './commands/user/import.ts'
import UserList from './commands/user/list.ts'
import UserServicesSet from './commands/user/services/set.ts'
import UserServicesShow from './commands/user/services/show.ts'
import UserShow from './commands/user/show.ts'
import UserUpdate from './commands/user/update.ts'
import Verify from './commands/verify.ts'

/** Every command by its name; what a command needs for its work it imports when it runs. */
export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  bundle: Bundle,
  'config:diff': ConfigDiff,
  'config:edit': ConfigEdit,
  'config:export': ConfigExport,
  'config:get': ConfigGet,
  'config:history': ConfigHistory,
  'config:import': ConfigImport,
  'config:set': ConfigSet,
  'config:unset': ConfigUnset,
  'config:check': ConfigCheck,
  'config:explain': ConfigExplain,
  'config:schema': ConfigSchema,
  check: Check,
  'cluster:show': ClusterShow,
  daemon: Daemon,
  deploy: Deploy,
  destroy: Destroy,
  help: Help,
  history: History,
  init: Init,
  resume: Resume,
  'site:fail-over': SiteFailOver,
  status: Status,
  'recover:etcd': RecoverEtcd,
  replace: Replace,
  restart: Restart,
  rollback: Rollback,
  scale: Scale,
  'dns:push': DnsPush,
  'dns:zone': DnsZone,
  exec: Exec,
  ssh: Ssh,
  logs: Logs,
  'node:forget': NodeForget,
  undrain: Undrain,
  up: Up,
  upgrade: Upgrade,
  'user:create': UserCreate,
  'user:delete': UserDelete,
  'user:deregister': UserDeregister,
  'user:import': UserImport,
  'user:list': UserList,
  'user:services:set': UserServicesSet,
  'user:services:show': UserServicesShow,
  'user:show': UserShow,
  'user:update': UserUpdate,
  verify: Verify,
}
