import type { Command } from '@oclif/core'
import Daemon from './commands/daemon.ts'
import Help from './commands/help.ts'
import Up from './commands/up.ts'
import UserCreate from './commands/user/create.ts'
import UserDelete from './commands/user/delete.ts'
import UserImport from './commands/user/import.ts'
import UserList from './commands/user/list.ts'
import UserShow from './commands/user/show.ts'
import UserUpdate from './commands/user/update.ts'

/** Every command by its name; what a command needs for its work it imports when it runs. */
export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  daemon: Daemon,
  help: Help,
  up: Up,
  'user:create': UserCreate,
  'user:delete': UserDelete,
  'user:import': UserImport,
  'user:list': UserList,
  'user:show': UserShow,
  'user:update': UserUpdate,
}
