import { seconds, type Duration } from '../kit/clock.ts'
import { findOption } from './options.ts'
import { checkValue } from './value.ts'

/** How call lists are kept, and who may read them. */
export interface CallListSettings {
  /** Most calls in a list; 0 is no limit. */
  readonly maxLength: number
  readonly ttl: Duration
  readonly diskLimit: { readonly bytes: number } | { readonly percentOfDisk: number }
  /** Writes to the store at one time. */
  readonly writers: number
  /** Absent: nobody is told of changes. */
  readonly notifyUrl?: string
  /** Absent: no program may read lists. */
  readonly apiKey?: string
}

/**
 * The settings that a node's configuration files give.
 *
 * @param values option name to value; an absent one, and one that validation refuses, is at its default
 */
export function callListSettingsOf(values: ReadonlyMap<string, string>): CallListSettings {
  const text = (name: string): string | undefined => {
    const option = findOption(name)
    if (option === undefined) throw new TypeError(`${name} is no option`)
    const given = values.get(name)
    return given === undefined || checkValue(option, given) !== undefined ? option.default : given
  }
  const notifyUrl = text('memento_notify_url')
  const apiKey = text('memento_api_key')
  return {
    maxLength: Number(text('max_call_list_length')),
    ttl: seconds(Number(text('call_list_store_ttl'))),
    diskLimit: parseSize(text('memento_disk_limit') ?? ''),
    writers: Number(text('memento_threads')),
    ...(notifyUrl === undefined ? {} : { notifyUrl }),
    ...(apiKey === undefined ? {} : { apiKey }),
  }
}

const UNITS: Readonly<Record<string, number>> = { k: 1024, M: 1024 ** 2, G: 1024 ** 3 }

/** A value of type `size`. */
function parseSize(text: string): CallListSettings['diskLimit'] {
  if (text.endsWith('%')) return { percentOfDisk: Number(text.slice(0, -1)) }
  const unit = UNITS[text.slice(-1)]
  return { bytes: unit === undefined ? Number(text) : Number(text.slice(0, -1)) * unit }
}

/** Every setting at its default. */
export const DEFAULT_CALL_LISTS: CallListSettings = callListSettingsOf(new Map())
