import type { Metric } from '../../../lib/kit/metric.ts'
import { pause, seconds, type Clock } from '../../../lib/kit/clock.ts'
import type { Log } from '../../../lib/kit/log.ts'
import { Admission, type AdmissionOptions } from '../../../lib/overload/admission.ts'
import type { CallListStore } from '../../../lib/store/call-list-store.ts'
import type { CallListSettings } from '../../../lib/config/call-lists.ts'
import { Notifier } from './notifier.ts'
import { Recorder } from './recorder.ts'

export interface RecordingOptions {
  readonly clock: Clock
  readonly log: Log
  /** Opened by the caller, who also closes it. */
  readonly store: CallListStore
  readonly settings: CallListSettings
  /** The limits of the daemon; the store is given more time than a request. */
  readonly overload: AdmissionOptions
}

/** All that stands behind Memento in one sprout. */
export interface Recording {
  readonly recorder: Recorder
  readonly metrics: () => readonly Metric[]
  /** Writes what waits, within two seconds; what a notification is answered is not waited for. */
  close(): Promise<void>
}

const STORE_LATENCY_US = 1_000_000
/** A store that does not answer keeps a daemon that stops no longer than this. */
const DRAIN = seconds(2)

export function openRecording(options: RecordingOptions): Recording {
  const { clock, store, settings, overload } = options
  const log = options.log.with({ server: 'memento' })
  const { ttl, maxLength, writers, notifyUrl } = settings
  const notifier = notifyUrl === undefined ? undefined : new Notifier(notifyUrl, log)
  const recorder = new Recorder({
    clock,
    log,
    store,
    ttl,
    maxLength,
    writers,
    admission: new Admission({ ...overload, targetLatencyUs: STORE_LATENCY_US }),
    ...(notifier === undefined ? {} : { notify: impu => notifier.notify(impu) }),
  })
  return {
    recorder,
    metrics: () => metricsOf(recorder, notifier),
    close: async () => {
      await Promise.race([recorder.close(), pause(clock, DRAIN)])
      await notifier?.close()
    },
  }
}

function metricsOf(recorder: Recorder, notifier: Notifier | undefined): readonly Metric[] {
  const { unrecorded, lost, ...written } = recorder.counts
  return [
    {
      name: 'clearwater_memento_fragments_total',
      help: 'Parts of calls that were recorded.',
      type: 'counter',
      samples: Object.entries(written).map(([kind, value]) => ({ labels: { kind }, value })),
    },
    {
      name: 'clearwater_memento_unrecorded_calls_total',
      help: 'Calls that were let pass unrecorded because of overload.',
      type: 'counter',
      samples: [{ value: unrecorded }],
    },
    {
      name: 'clearwater_memento_lost_fragments_total',
      help: 'Parts of calls that could not be recorded.',
      type: 'counter',
      samples: [{ value: lost }],
    },
    {
      name: 'clearwater_memento_waiting_fragments',
      help: 'Parts of calls that wait to be recorded.',
      type: 'gauge',
      samples: [{ value: recorder.waiting }],
    },
    {
      name: 'clearwater_memento_notifications_total',
      help: 'Notifications of changed call lists, by how they came out.',
      type: 'counter',
      samples: Object.entries(notifier?.counts ?? {}).map(([outcome, value]) => ({
        labels: { outcome },
        value,
      })),
    },
  ]
}
