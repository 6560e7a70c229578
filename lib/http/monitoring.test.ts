import { afterEach, beforeEach, expect, test } from 'vitest'
import { noLog } from '../kit/log.ts'
import { addMonitoringRoutes } from './monitoring.ts'
import { HttpServer } from './server.ts'

let server: HttpServer
let origin: string
let healthy = true

beforeEach(async () => {
  server = new HttpServer({ log: noLog })
  addMonitoringRoutes(server, {
    healthy: () => healthy,
    status: () => ({ clients: 3 }),
    metrics: () => [
      {
        name: 'x_total',
        help: 'Things.',
        type: 'counter',
        samples: [{ value: 1 }, { labels: { daemon: 'bono', kind: 'a "b"' }, value: 2 }],
      },
    ],
  })
  origin = `http://127.0.0.1:${await server.listen('127.0.0.1', 0)}`
})

afterEach(() => server.close())

test('/health tells the state, and by its status whether all is well', async () => {
  healthy = true
  const well = await fetch(`${origin}/health`)
  healthy = false
  const unwell = await fetch(`${origin}/health`)

  expect(well.status).toBe(200)
  expect(await well.json()).toEqual({ status: 'ok', clients: 3 })
  expect(unwell.status).toBe(503)
  expect(await unwell.json()).toEqual({ status: 'not ready', clients: 3 })
})

test('/metrics is Prometheus text: each metric with its help and type, labels quoted', async () => {
  const response = await fetch(`${origin}/metrics`)
  const text = await response.text()

  expect(response.headers.get('content-type')).toContain('version=0.0.4')
  expect(text).toContain(
    '# HELP x_total Things.\n# TYPE x_total counter\nx_total 1\nx_total{daemon="bono",kind="a \\"b\\""} 2\n',
  )
  expect(text).toMatch(/^process_resident_memory_bytes \d+$/m)
  expect(text.endsWith('\n')).toBe(true)
})
