import type { NodeShell } from '../fleet/ssh/shell.ts'

/** Shells of nodes by name: a fleet over SSH, or what a test has. */
export interface Shells extends AsyncDisposable {
  shell(name: string): NodeShell
}
