/**
 * Speed and memory beside Kamailio, on this machine, under the same load, and what an operator waits for:
 * `npm run bench`.
 *
 * A timing never fails: the run fails only when a load does not go through.
 */
import { parseArgs } from 'node:util'
import {
  bindingMemory,
  callCpu,
  callGoodput,
  callRate,
  FULL,
  QUICK,
  registerCpu,
  registerRate,
  startupMs,
  type Scale,
} from './measures.ts'
import { keepLoadOnItsCore } from './cores.ts'
import { benchOperations } from './operations.ts'
import { benchSubscriberStores } from './subscriber-stores.ts'
import { callWithServicesCpu, registerAtServerCpu } from './services.ts'
import { benchStores } from './stores.ts'
import { formatTable, saveResults, type Row } from './report.ts'
import { spreadOf } from './statistics.ts'
import type { SubjectName } from './subjects.ts'

const USAGE = `usage: npm run bench -- [operations|register|call|services|memory|rate|overload|startup|stores|subscribers …] [--quick] [--repeats N] [--only SUBJECT]
                        [--markdown]

  --quick       fewer users, shorter runs, two repeats: for a look while working
  --repeats N   how often each is measured, on freshly started processes (5)
  --only NAME   only 'clearwater', 'kamailio' or 'kamailio chain'
  --markdown    nothing but the table on standard output, for docs/performance.md`

const ITEMS = {
  // First: from then on this process stays on one core, and hosts need all of them.
  operations: benchOperations,
  register: benchRegister,
  call: benchCall,
  services: benchServices,
  memory: benchMemory,
  rate: benchRate,
  overload: benchOverload,
  startup: benchStartup,
  stores: (scale: Scale) => benchStores(2 * scale.registrations, scale.bindings),
  subscribers: (scale: Scale) => benchSubscriberStores([1000, scale.bindings, 10 * scale.bindings]),
} as const
type Item = keyof typeof ITEMS

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    repeats: { type: 'string' },
    only: { type: 'string' },
    markdown: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

if (flags.help || !positionals.every(isItem)) {
  console.error(USAGE)
  process.exit(flags.help ? 0 : 2)
}

const items = Object.keys(ITEMS).filter(isItem)
const chosen = items.filter(item => positionals.length === 0 || positionals.includes(item))
const base = flags.quick ? QUICK : FULL
const scale: Scale = { ...base, repeats: Number(flags.repeats ?? base.repeats) }
const rows: Row[] = []
for (const item of chosen) {
  if (item !== 'operations') keepLoadOnItsCore()
  rows.push(...(await ITEMS[item](scale)))
}

const table = formatTable(rows)
console.log(table)
const file = saveResults(rows, table)
if (!flags.markdown) console.error(`\nwritten to ${file}`)

async function benchRegister(scale: Scale): Promise<Row[]> {
  const atFullLoad: Partial<Record<SubjectName, number[]>> = {}
  const atRate = await measure('REGISTER', ['kamailio', 'clearwater'], scale.repeats, async name => {
    const cpu = await registerCpu(name, scale)
    atFullLoad[name] = [...(atFullLoad[name] ?? []), cpu.atFullLoad]
    return cpu.atRate
  })
  const row = { unit: 'ms', yardstick: 'kamailio', floor: { kind: 'ratio', atMost: 2.5 } } as const
  return [
    { ...row, what: 'CPU per REGISTER with digest challenge', values: atRate },
    { ...row, what: 'CPU per REGISTER with digest challenge, at full load', values: atFullLoad },
  ]
}

async function benchCall(scale: Scale): Promise<Row[]> {
  const subjects = ['kamailio', 'kamailio chain', 'clearwater'] as const
  const values = await measure('call', subjects, scale.repeats, name => callCpu(name, scale))
  const row = { unit: 'ms', values }
  return [
    {
      ...row,
      what: 'CPU per call, beside one proxy',
      yardstick: 'kamailio',
      floor: { kind: 'ratio', atMost: 3 },
    },
    {
      ...row,
      what: 'CPU per call, beside a chain of three proxies',
      yardstick: 'kamailio chain',
      floor: { kind: 'ratio', atMost: 1 },
    },
  ]
}

async function benchServices(scale: Scale): Promise<Row[]> {
  const calls = await measure('call with services', ['clearwater'], scale.repeats, () =>
    callWithServicesCpu(scale),
  )
  const registrations = await measure('third-party REGISTER', ['clearwater'], scale.repeats, () =>
    registerAtServerCpu(scale),
  )
  return [
    {
      what: 'CPU per call with MMTel for both, and a server outside for the caller',
      unit: 'ms',
      values: calls,
    },
    {
      what: 'CPU per REGISTER with digest challenge and third-party REGISTER',
      unit: 'ms',
      values: registrations,
    },
  ]
}

async function benchMemory(scale: Scale): Promise<Row[]> {
  const fileBytes: number[] = []
  // Memory hardly varies, and a run is long.
  const repeats = Math.min(3, scale.repeats)
  const values = await measure('memory', ['kamailio', 'clearwater'], repeats, async name => {
    const memory = await bindingMemory(name, scale)
    if (name === 'clearwater') fileBytes.push(memory.fileBytes)
    return memory.bytes
  })
  const mirrored = fileBytes.length === 0 ? undefined : Math.round(spreadOf(fileBytes).median)
  return [
    {
      what: `Memory per binding, ${scale.bindings} bindings`,
      unit: 'bytes',
      values,
      yardstick: 'kamailio',
      floor: { kind: 'value', atMost: 8000 },
      ...(mirrored === undefined ? {} : { note: `${mirrored} bytes of ours mirror the store's file.` }),
    },
  ]
}

async function benchRate(scale: Scale): Promise<Row[]> {
  const repeats = 1
  const registrations = await measure('rate of REGISTERs', ['kamailio', 'clearwater'], repeats, name =>
    registerRate(name, scale, stepReport),
  )
  const subjects = ['kamailio', 'kamailio chain', 'clearwater'] as const
  const calls = await measure('rate of calls', subjects, repeats, name => callRate(name, scale, stepReport))
  const held = `held for ${scale.holdSeconds} s`
  return [
    { what: `REGISTERs with challenge, ${held}`, unit: '1/s', values: registrations, yardstick: 'kamailio' },
    { what: `Calls, ${held}, beside one proxy`, unit: '1/s', values: calls, yardstick: 'kamailio' },
    { what: `Calls, ${held}, beside the chain`, unit: '1/s', values: calls, yardstick: 'kamailio chain' },
  ]
}

async function benchOverload(scale: Scale): Promise<Row[]> {
  const steps = await callGoodput(scale, stepReport)
  for (const { offered, carried } of steps)
    console.error(`  ${offered}/s offered, ${carried.toFixed(0)}/s carried`)
  const best = Math.max(...steps.map(step => step.carried))
  const [held, twice] = [steps[0], steps.at(-1)]
  if (held === undefined || twice === undefined || best === 0) throw new Error('no call came through')
  return [
    {
      what: 'Calls carried, as many offered as are held',
      unit: '1/s',
      values: { clearwater: [held.carried] },
    },
    {
      what: `Calls carried of ${twice.offered}/s, twice of that`,
      unit: '1/s',
      values: { clearwater: [twice.carried] },
    },
    {
      what: 'Calls lost at twice the rate, of the best carried',
      unit: '%',
      values: { clearwater: [(1 - twice.carried / best) * 100] },
      floor: { kind: 'value', atMost: 10 },
    },
  ]
}

async function benchStartup(scale: Scale): Promise<Row[]> {
  const values = await measure('start-up', ['clearwater'], scale.repeats, () => startupMs())
  return [{ what: 'From cw up to ready', unit: 'ms', values, floor: { kind: 'value', atMost: 2000 } }]
}

/** Measures every subject in turn, again and again, so that a busy moment of the machine meets them all. */
async function measure(
  what: string,
  subjects: readonly SubjectName[],
  repeats: number,
  once: (name: SubjectName) => Promise<number>,
): Promise<Partial<Record<SubjectName, number[]>>> {
  const wanted = subjects.filter(name => flags.only === undefined || flags.only === name)
  const values: Partial<Record<SubjectName, number[]>> = {}
  for (let repeat = 1; repeat <= repeats; repeat++) {
    for (const name of wanted) {
      const value = await once(name)
      values[name] = [...(values[name] ?? []), value]
      console.error(`${what} ${repeat}/${repeats}, ${name}: ${value.toPrecision(4)}`)
    }
  }
  return values
}

function stepReport(perSecond: number, held: boolean): void {
  console.error(`  ${perSecond}/s ${held ? 'held' : 'not held'}`)
}

function isItem(name: string): name is Item {
  return Object.hasOwn(ITEMS, name)
}
