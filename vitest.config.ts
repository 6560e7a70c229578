import { defineConfig } from 'vitest/config'

/**
 * Processes, hosts and JVMs that share two cores miss a deadline now and then. Where nobody watches, a test has a second
 * try, and the run ends with the names of those that took it.
 */
const retry = process.env.CI === undefined ? 0 : 1

/** Suites that own ports, processes and phones: one file after another, with time to start and stop them. */
const serial = {
  retry,
  fileParallelism: false,
  testTimeout: 60_000,
  hookTimeout: 120_000,
  teardownTimeout: 30_000,
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    // Tests of commands read what reaches standard output.
    disableConsoleIntercept: true,
    projects: [
      {
        test: {
          name: 'unit',
          disableConsoleIntercept: true,
          include: ['{lib,cli,daemons,tool}/**/*.test.ts', 'test/conformance/**/*.test.ts'],
          testTimeout: 20_000,
          hookTimeout: 30_000,
        },
      },
      { test: { name: 'integration', include: ['test/integration/**/*.test.ts'], ...serial } },
      {
        test: {
          name: 'hosts',
          include: ['test/hosts/**/*.test.ts'],
          setupFiles: ['test/hosts/setup.ts'],
          disableConsoleIntercept: true,
          // Hosts are children of the process that runs a file, and end with it.
          pool: 'forks',
          ...serial,
          testTimeout: 300_000,
          hookTimeout: 300_000,
        },
      },
      { test: { name: 'phones', include: ['test/phones/**/*.test.ts'], ...serial, testTimeout: 120_000 } },
    ],
  },
})
