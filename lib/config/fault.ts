/** Something wrong with a file, found without touching anything. */
export interface Fault {
  /** A file with an error is refused; a warning deserves a look. */
  readonly severity: 'error' | 'warning'
  /** One sentence that names the object. */
  readonly message: string
  /** From 1. */
  readonly line?: number
  readonly column?: number
  /** The option or key it is about. */
  readonly key?: string
  /** The known key that an unknown one most likely meant. */
  readonly nearest?: string
}

export function hasErrors(faults: readonly Fault[]): boolean {
  return faults.some(fault => fault.severity === 'error')
}

/** `line 3, column 5: …`, with what was most likely meant. */
export function formatFault(fault: Fault): string {
  const { line, column, nearest, severity, message } = fault
  const place = line === undefined ? '' : `line ${line}${column === undefined ? '' : `, column ${column}`}: `
  const meant = nearest === undefined ? '' : `; did you mean ${nearest}?`
  return `${place}${severity === 'warning' ? 'warning: ' : ''}${message}${meant}`
}

/** In the order of the file. */
export function inOrder(faults: readonly Fault[]): readonly Fault[] {
  return faults.toSorted((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0))
}
