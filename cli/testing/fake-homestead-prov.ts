import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

interface Reply {
  readonly status: number
  readonly body?: string
  readonly location?: string
}

interface Profile {
  readonly irs: string
  readonly publicIds: Set<string>
  ifc?: string
}

interface Private {
  ha1: string
  realm: string
  plaintext?: string
  sha256?: string
  aka?: unknown
  readonly irs: Set<string>
}

type Handler = (parts: readonly string[], body: string) => Reply

const NOT_FOUND: Reply = { status: 404, body: '{"error":true,"status":404,"reason":"Not Found"}' }
const DONE: Reply = { status: 200 }

/** homestead-prov as the interface description has it, in memory. Refuses with 501 what it was not taught. */
export class FakeHomesteadProv implements AsyncDisposable {
  readonly privates = new Map<string, Private>()
  readonly profiles = new Map<string, Profile>()
  readonly sets = new Set<string>()
  /** Every request as `METHOD path`. */
  readonly requests: string[] = []
  /** Answers in place of the usual ones: the first pattern that a `METHOD path` matches, as often as it does. */
  readonly faults: { readonly pattern: Pick<RegExp, 'test'>; readonly status: number }[] = []
  /** Public ids that the bulk interface says belong to another subscriber. */
  readonly refused = new Set<string>()
  readonly #server: Server
  #next = 1

  static async start(): Promise<FakeHomesteadProv> {
    const fake = new FakeHomesteadProv()
    fake.#server.listen(0, '127.0.0.1')
    await once(fake.#server, 'listening')
    return fake
  }

  private constructor() {
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  /** As given to `--hsprov`. */
  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  get publicIds(): readonly string[] {
    return [...this.profiles.values()].flatMap(profile => [...profile.publicIds])
  }

  /** Answers the first calls that match as usual, and the later ones with 503. */
  failAfter(pattern: RegExp, usual: number): void {
    let seen = 0
    this.faults.push({
      pattern: { test: call => pattern.test(call) && ++seen > usual },
      status: 503,
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await text(request)
    const call = `${request.method ?? ''} ${request.url ?? ''}`
    this.requests.push(call)
    const reply = this.#reply(call, body)
    response.writeHead(reply.status, reply.location === undefined ? {} : { location: reply.location })
    response.end(reply.body)
  }

  #reply(call: string, body: string): Reply {
    const fault = this.faults.find(each => each.pattern.test(call))
    if (fault !== undefined) return { status: fault.status, body: '{"reason":"taught to fail"}' }
    for (const [pattern, handler] of this.#routes) {
      const match = pattern.exec(call)
      if (match !== null) return handler(match.slice(1).map(decodeURIComponent), body)
    }
    return { status: 501, body: `not taught: ${call}` }
  }

  readonly #routes: readonly (readonly [RegExp, Handler])[] = [
    [/^GET \/ping$/, () => ({ status: 200, body: 'OK' })],
    [/^GET \/private\/([^/]+)$/, ([impi = '']) => this.#showPrivate(impi)],
    [/^PUT \/private\/([^/]+)$/, ([impi = ''], body) => this.#putPrivate(impi, body)],
    [/^DELETE \/private\/([^/]+)$/, ([impi = '']) => ({ status: this.privates.delete(impi) ? 200 : 204 })],
    [/^GET \/private\/([^/]+)\/associated_implicit_registration_sets$/, ([impi = '']) => this.#setsOf(impi)],
    [
      /^PUT \/private\/([^/]+)\/associated_implicit_registration_sets\/([^/]+)$/,
      ([impi = '', irs = '']) => this.#associate(impi, irs),
    ],
    [/^POST \/irs$/, () => this.#newSet()],
    [/^GET \/irs\/([^/]+)\/public_ids$/, ([irs = '']) => this.#publicIdsOf(irs)],
    [/^DELETE \/irs\/([^/]+)$/, ([irs = '']) => this.#deleteSet(irs)],
    [/^POST \/irs\/([^/]+)\/service_profiles$/, ([irs = '']) => this.#newProfile(irs)],
    [
      /^DELETE \/irs\/[^/]+\/service_profiles\/([^/]+)$/,
      ([sp = '']) => ({ status: this.profiles.delete(sp) ? 200 : 404 }),
    ],
    [
      /^PUT \/irs\/[^/]+\/service_profiles\/([^/]+)\/public_ids\/([^/]+)$/,
      ([sp = '', impu = ''], body) => this.#putPublic(sp, impu, body),
    ],
    [
      /^DELETE \/irs\/[^/]+\/service_profiles\/([^/]+)\/public_ids\/([^/]+)$/,
      ([sp = '', impu = '']) => ({
        status: this.profiles.get(sp)?.publicIds.delete(impu) === true ? 200 : 404,
      }),
    ],
    [
      /^PUT \/irs\/[^/]+\/service_profiles\/([^/]+)\/filter_criteria$/,
      ([sp = ''], body) => this.#putIfc(sp, body),
    ],
    [/^GET \/irs\/[^/]+\/service_profiles\/([^/]+)\/filter_criteria$/, ([sp = '']) => this.#showIfc(sp)],
    [/^POST \/bulk\/subscribers$/, (_, body) => this.#bulk(body)],
    [/^GET \/public\/([^/]+)\/service_profile$/, ([impu = '']) => this.#profileOf(impu)],
    [/^GET \/public\/([^/]+)\/associated_private_ids$/, ([impu = '']) => this.#privatesOf(impu)],
    [
      /^GET \/public\/\?excludeuuids=true&chunk-proportion=(\d+)&chunk=(\d+)$/,
      ([of = '1', chunk = '0']) => this.#part(Number(of), Number(chunk)),
    ],
  ]

  #showPrivate(impi: string): Reply {
    const found = this.privates.get(impi)
    if (found === undefined) return NOT_FOUND
    const { ha1, realm, plaintext } = found
    return json({
      digest_ha1: ha1,
      realm,
      ...(plaintext === undefined ? {} : { plaintext_password: plaintext }),
    })
  }

  #putPrivate(impi: string, body: string): Reply {
    const {
      digest_ha1,
      digest_ha1_sha256,
      plaintext_password,
      aka,
      realm = 'home',
    } = JSON.parse(body) as Record<string, string | undefined>
    if (aka === undefined && (digest_ha1 === undefined) === (plaintext_password === undefined))
      return { status: 400 }
    const ha1 = digest_ha1 ?? md5(`${impi}:${realm}:${plaintext_password ?? ''}`)
    const irs = this.privates.get(impi)?.irs ?? new Set<string>()
    this.privates.set(impi, {
      ha1,
      realm,
      irs,
      ...(digest_ha1_sha256 === undefined ? {} : { sha256: digest_ha1_sha256 }),
      ...(aka === undefined ? {} : { aka }),
      ...(plaintext_password === undefined ? {} : { plaintext: plaintext_password }),
    })
    return DONE
  }

  #bulk(body: string): Reply {
    const answers = body
      .trimEnd()
      .split('\n')
      .map(line => {
        const { public_id = '', private_id = '', ...credentials } = JSON.parse(line) as Record<string, string>
        if (this.refused.has(public_id)) return { public_id, result: 'conflict' }
        const known = this.privates.has(private_id)
        this.#putPrivate(private_id, JSON.stringify(credentials))
        if (known) return { public_id, result: 'updated' }
        const sp = `sp-${this.#next++}`
        this.profiles.set(sp, { irs: `irs-${sp}`, publicIds: new Set([public_id]) })
        return { public_id, result: 'created' }
      })
    return { status: 200, body: answers.map(answer => `${JSON.stringify(answer)}\n`).join('') }
  }

  #setsOf(impi: string): Reply {
    const found = this.privates.get(impi)
    return found === undefined ? NOT_FOUND : json({ associated_implicit_registration_sets: [...found.irs] })
  }

  #associate(impi: string, irs: string): Reply {
    const found = this.privates.get(impi)
    if (found === undefined || !this.sets.has(irs)) return NOT_FOUND
    found.irs.add(irs)
    return DONE
  }

  #newSet(): Reply {
    const irs = `irs-${this.#next++}`
    this.sets.add(irs)
    return { status: 201, location: `/irs/${irs}` }
  }

  #deleteSet(irs: string): Reply {
    for (const [sp, profile] of this.profiles) if (profile.irs === irs) this.profiles.delete(sp)
    for (const each of this.privates.values()) each.irs.delete(irs)
    return { status: this.sets.delete(irs) ? 200 : 204 }
  }

  #publicIdsOf(irs: string): Reply {
    if (!this.sets.has(irs)) return NOT_FOUND
    const profiles = [...this.profiles.values()].filter(profile => profile.irs === irs)
    return json({ public_ids: profiles.flatMap(profile => [...profile.publicIds]) })
  }

  #newProfile(irs: string): Reply {
    if (!this.sets.has(irs)) return NOT_FOUND
    const sp = `sp-${this.#next++}`
    this.profiles.set(sp, { irs, publicIds: new Set() })
    return { status: 201, location: `/irs/${irs}/service_profiles/${sp}` }
  }

  #putPublic(sp: string, impu: string, body: string): Reply {
    const profile = this.profiles.get(sp)
    if (profile === undefined) return NOT_FOUND
    if (!body.includes(`<Identity>${impu.replaceAll('&', '&amp;')}</Identity>`)) return { status: 403 }
    profile.publicIds.add(impu)
    return DONE
  }

  #putIfc(sp: string, body: string): Reply {
    const profile = this.profiles.get(sp)
    if (profile === undefined) return NOT_FOUND
    profile.ifc = body
    return DONE
  }

  #showIfc(sp: string): Reply {
    const ifc = this.profiles.get(sp)?.ifc
    return ifc === undefined ? NOT_FOUND : { status: 200, body: ifc }
  }

  #profileOf(impu: string): Reply {
    for (const [sp, { irs, publicIds }] of this.profiles) {
      if (publicIds.has(impu)) return { status: 303, location: `/irs/${irs}/service_profiles/${sp}` }
    }
    return NOT_FOUND
  }

  #privatesOf(impu: string): Reply {
    const profile = [...this.profiles.values()].find(each => each.publicIds.has(impu))
    if (profile === undefined) return NOT_FOUND
    const ids = [...this.privates].filter(([, each]) => each.irs.has(profile.irs)).map(([impi]) => impi)
    return json({ private_ids: ids })
  }

  #part(of: number, chunk: number): Reply {
    const inside = this.publicIds.filter(impu => Math.floor(positionOf(impu) * of) === chunk)
    return json({ public_ids: inside.map(public_id => ({ public_id })) })
  }
}

/** Where a key lies on the ring, from 0 up to 1. */
function positionOf(key: string): number {
  return createHash('md5').update(key).digest().readUInt32BE(0) / 2 ** 32
}

function md5(value: string): string {
  return createHash('md5').update(value).digest('hex')
}

function json(value: unknown): Reply {
  return { status: 200, body: JSON.stringify(value) }
}
