// Tells of tests that passed at a second try only, so that a green run does not hide them.
import { writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'
import { ROOT } from './runtime.mjs'

/** Beside the report of all tests. */
export const RETRIED = 'retried.json'

export default class RetriedReporter {
  onInit(vitest) {
    this.file = join(dirname(vitest.config.outputFile.json), RETRIED)
  }

  onTestRunEnd(modules) {
    const tests = modules.flatMap(module => [...module.children.allTests()])
    const retried = tests.filter(test => test.diagnostic()?.flaky === true)
    const names = retried.map(test => `${relative(ROOT, test.module.moduleId)} > ${test.fullName}`)
    writeFileSync(this.file, JSON.stringify(names))
  }
}
