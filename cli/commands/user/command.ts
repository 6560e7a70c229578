import { CwCommand } from '../../command.ts'
import type { NumbersRequest, RangeReport, RangeRequest } from '../../operations/users/range.ts'
import { openProgress } from '../../render/progress.ts'
import { domainOf, hsprovOf } from './arguments.ts'

interface Given {
  readonly args: { readonly numbers: string; readonly domain?: string | undefined }
  readonly flags: { readonly hsprov?: string | undefined; readonly 'port-offset': number }
}

const MOST_REMARKS = 20

/** One outcome as programs get it. */
interface Entry {
  readonly public_id: string
  readonly outcome: string
  readonly error?: { readonly code: string; readonly message: string }
}

/** A command that does the same to each number of a range. */
export abstract class UserRangeCommand extends CwCommand {
  /** Reads the common words of the command line, and runs the operation at homestead-prov with a progress bar. */
  protected async overRange<R>(
    { args, flags }: Given,
    keepGoing: boolean,
    what: string,
    operation: (request: RangeRequest) => Promise<RangeReport<R>>,
  ): Promise<RangeReport<R>> {
    const hsprov = hsprovOf(flags)
    return this.overNumbers(args, keepGoing, what, request => operation({ ...request, hsprov }))
  }

  /** The same for an operation that goes elsewhere. */
  protected async overNumbers<R>(
    args: Given['args'],
    keepGoing: boolean,
    what: string,
    operation: (request: NumbersRequest) => Promise<RangeReport<R>>,
  ): Promise<RangeReport<R>> {
    const { parseNumbers } = await import('../../operations/users/numbers.ts')
    const numbers = parseNumbers(args.numbers)
    const domain = await domainOf(args.domain, this.interactive)
    const bar = await openProgress(what, !this.jsonEnabled())
    try {
      return await operation({
        numbers,
        domain,
        keepGoing,
        signal: this.interruption,
        onProgress: (done, total) => {
          bar.update(done, total)
        },
      })
    } finally {
      bar.stop()
    }
  }

  /** The outcomes with their numbers, in order. */
  protected entriesOf<R>({ done }: RangeReport<R>, outcomeOf: (value: R) => string): readonly Entry[] {
    return done.map(each =>
      each.ok
        ? { public_id: each.item.impu, outcome: outcomeOf(each.value) }
        : {
            public_id: each.item.impu,
            outcome: 'failed',
            error: { code: each.error.code, message: each.error.message },
          },
    )
  }

  /** A remark for each subscriber with an outcome, and after some of them only how many more. */
  protected noteEach(entries: readonly Entry[], outcome: string, remark: string): void {
    const such = entries.filter(each => each.outcome === outcome)
    for (const each of such.slice(0, MOST_REMARKS)) this.note(`${each.public_id} ${remark}`)
    if (such.length > MOST_REMARKS) this.note(`${such.length - MOST_REMARKS} more: ${remark}`)
  }
}
