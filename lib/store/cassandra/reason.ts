import { errors } from 'cassandra-driver'

/** Why the driver failed, in one line. Where it tried several nodes, what each of them had. */
export function reasonOf(error: unknown): string {
  if (error instanceof errors.NoHostAvailableError) {
    const each = Object.entries(error.innerErrors as Readonly<Record<string, unknown>>)
    if (each.length > 0) return each.map(([node, inner]) => `${node}: ${reasonOf(inner)}`).join('; ')
  }
  const message = error instanceof Error ? error.message : String(error)
  const [line = message] = message.split('\n', 1)
  const cause = error instanceof Error ? error.cause : undefined
  return cause === undefined ? line : `${line}: ${reasonOf(cause)}`
}
