import type { SharedFileName } from '../config/shared-file.ts'
import { SHARED_FILES } from './layout.ts'

/** How one shared file stands on a node. */
export interface FileReport {
  /** The revision in etcd that was taken last, with everything it asked of the daemons; 0: none yet. */
  readonly revision: number
  /** Of the text that was taken last. */
  readonly sha256: string
  /** The newer revision that is not taken, because of what is wrong with it. */
  readonly refused?: { readonly revision: number; readonly faults: readonly string[] }
  /** Somebody has edited the file on the node: this is the hash of what stands there. */
  readonly drift?: string
}

/**
 * What the config-manager of a node says of it. The key lives by a lease: where there is no report, the node is down or
 * its config-manager does not run.
 */
export interface NodeReport {
  readonly node: string
  /** The node in the queue of restarts. */
  readonly queueId: string
  readonly daemons: readonly string[]
  readonly files: Readonly<Partial<Record<SharedFileName, FileReport>>>
  /** What else is wrong: a daemon that could not be reloaded, a full disk. */
  readonly faults: readonly string[]
  /** Since when it is so, ISO 8601. */
  readonly at: string
}

export function formatNodeReport(report: NodeReport): string {
  return JSON.stringify(report)
}

/** Reads what a node has written, of whatever version it is; undefined if it makes no sense. */
export function parseNodeReport(text: string): NodeReport | undefined {
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch {
    return undefined
  }
  if (!isObject(document) || typeof document.node !== 'string') return undefined
  const files = isObject(document.files) ? document.files : {}
  return {
    node: document.node,
    queueId: typeof document.queueId === 'string' ? document.queueId : '',
    daemons: textsIn(document.daemons),
    faults: textsIn(document.faults),
    at: typeof document.at === 'string' ? document.at : '',
    files: Object.fromEntries(
      SHARED_FILES.flatMap(name => {
        const file = fileReportOf(files[name])
        return file === undefined ? [] : [[name, file]]
      }),
    ),
  }
}

function fileReportOf(value: unknown): FileReport | undefined {
  if (!isObject(value) || typeof value.revision !== 'number' || typeof value.sha256 !== 'string')
    return undefined
  const { revision, sha256, refused, drift } = value
  return {
    revision,
    sha256,
    ...(isObject(refused) && typeof refused.revision === 'number'
      ? { refused: { revision: refused.revision, faults: textsIn(refused.faults) } }
      : {}),
    ...(typeof drift === 'string' ? { drift } : {}),
  }
}

function textsIn(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter(each => typeof each === 'string') : []
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
