import type { EnumService } from './enum.ts'
import { parseSubstitution } from './substitution.ts'

/** One entry of `enum.json`: numbers that begin with the prefix, and what becomes of them. */
export interface NumberBlock {
  readonly prefix: string
  /** `!pattern!replacement!` */
  readonly regex: string
}

/**
 * ENUM by `enum.json` (manual 8.29): the longest prefix counts, and the empty one stands for all others.
 *
 * @param blocks what the file says now
 */
export function fileEnum(blocks: () => readonly NumberBlock[]): EnumService {
  return {
    lookup: async number => {
      let best: NumberBlock | undefined
      for (const block of blocks()) {
        if (!number.startsWith(block.prefix) || parseSubstitution(block.regex) === undefined) continue
        if (best === undefined || block.prefix.length > best.prefix.length) best = block
      }
      return best && parseSubstitution(best.regex)?.(number)
    },
  }
}
