import { runCw } from './run.ts'

// A reader that has seen enough (`cw user list | head`) is no failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') process.exit()
  throw error
})

process.exitCode = await runCw(process.argv.slice(2))
