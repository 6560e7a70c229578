import { expect, test } from 'vitest'
import { deploymentOf } from '../testing/deployment.ts'
import { bareShells } from '../testing/fake-nodes.ts'
import { previewOperation, type Preview } from './operate.ts'

const deployment = deploymentOf({ a: ['sprout'], b: ['homestead'] })

/** Of two nodes only the first is a voter. */
function destroy(only: readonly string[]): Promise<Preview> {
  return previewOperation({
    ...{ operation: 'destroy', deployment, options: { only }, fleet: {}, release: undefined },
    signal: new AbortController().signal,
    confirm: async () => false,
    onEvent: () => undefined,
    onWarning: () => undefined,
    open: async () => ({
      ...{ reached: bareShells(deployment), unreachable: [] },
      close: async () => undefined,
    }),
  })
}

test('a voter is not destroyed alone: etcd would count it for ever', async () => {
  await expect(destroy(['a'])).rejects.toMatchObject({
    code: 'OPTION_INVALID',
    message: 'etcd runs on a, which cannot be destroyed alone',
  })
  await expect(destroy(['b'])).resolves.toBeDefined()
  await expect(destroy(['a', 'b'])).resolves.toBeDefined()
})
