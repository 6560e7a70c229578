import { describe, expect, test } from 'vitest'
import { TestClock } from '../../kit/clock.ts'
import type { Impu } from '../../ims/identity.ts'
import type { DocumentStore } from '../document-store.ts'
import { withStore, type Open } from './opened.ts'

const ALICE = 'sip:alice@example.com' as Impu

/** What every document store promises. */
export function documentStoreContract(name: string, open: Open<DocumentStore>): void {
  describe(`document store: ${name}`, () => {
    test('a document comes back octet by octet until it is replaced or removed', () =>
      withStore(open, new TestClock(), async ({ store }) => {
        expect(await store.get(ALICE)).toBeUndefined()

        await store.put(ALICE, '<?xml version="1.0"?>\r\n<simservs>ü😀</simservs>\n')
        expect(await store.get(ALICE)).toBe('<?xml version="1.0"?>\r\n<simservs>ü😀</simservs>\n')

        await store.put(ALICE, '<simservs/>')
        expect(await store.get(ALICE)).toBe('<simservs/>')

        await store.remove(ALICE)
        await store.remove(ALICE)
        expect(await store.get(ALICE)).toBeUndefined()
      }))

    test('a document is there after a restart', () =>
      withStore(open, new TestClock(), async opened => {
        if (opened.reopen === undefined) return
        await opened.store.put(ALICE, '<simservs/>')

        const again = await opened.reopen()

        expect(await again.store.get(ALICE)).toBe('<simservs/>')
        await again.close()
      }))
  })
}
