// Runs beside every file of tests on hosts: a failure leaves the consoles and journals of all hosts in .clearwater/lab.
import { join } from 'node:path'
import { afterEach } from 'vitest'
import { PROJECT } from '../support/core.ts'
import { openLabs } from './lab/lab.ts'

afterEach(async ({ task }) => {
  if (task.result?.state !== 'fail') return
  for (const lab of openLabs()) {
    const folder = join(PROJECT, '.clearwater', 'lab', task.name.replaceAll(/[^\w]+/g, '-'))
    await lab.saveLogs(folder)
    console.log(`lab: consoles and journals of the hosts are in ${folder}`)
  }
})
