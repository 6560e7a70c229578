import { crestShape } from '../../lib/http/crest.ts'
import { HttpServer } from '../../lib/http/server.ts'
import type { ChargingAddresses, Homestead } from '../../lib/ims/homestead.ts'
import type { Admission } from '../../lib/overload/admission.ts'
import { seconds, type Clock, type Duration } from '../../lib/kit/clock.ts'
import type { Log } from '../../lib/kit/log.ts'
import type { AkaStore } from '../../lib/store/aka-store.ts'
import type { ProvisioningStore } from '../../lib/store/provisioning-store.ts'
import type { SubscriberCacheStore } from '../../lib/store/subscriber-cache-store.ts'
import { AuthenticationCentre } from './authentication-centre.ts'
import { addBulkRoutes } from './bulk-api.ts'
import { addHomesteadRoutes } from './homestead-api.ts'
import { LocalHomestead } from './local-homestead.ts'
import { addProvisioningRoutes } from './provisioning-api.ts'
import { Provisioning } from './provisioning.ts'
import { addPublicIdList } from './public-id-list.ts'

export interface HomesteadOptions {
  readonly clock: Clock
  readonly log: Log
  /** Opened by the caller, who also closes them. */
  readonly stores: {
    readonly cache: SubscriberCacheStore
    readonly provisioning: ProvisioningStore
    readonly aka: AkaStore
  }
  readonly bind: string
  /** 8888; 0 takes a free one. */
  readonly port: number
  /** 8889; 0 takes a free one. */
  readonly provisioningPort: number
  readonly homeDomain: string
  /** Name of the S-CSCF that serves every subscriber: `scscf_uri`. */
  readonly scscfUri: string
  /** `cdf_identity`: charging addresses that every subscriber gets. */
  readonly charging?: ChargingAddresses
  /** Pause between the parts of a whole list of public ids; a second if not given. */
  readonly listPause?: Duration
  /** Refuses requests on the port for sprout when there are more than can be answered in time. */
  readonly admission?: Admission
  /** Whether the stores can be reached: what `GET /ping` says. */
  readonly isAlive?: () => boolean
  /** Adds routes beside homestead's own, such as `/health` and `/metrics`. */
  readonly addRoutes?: (server: HttpServer) => void
}

export interface RunningHomestead {
  /** The same answers as on the port, for those in this process. */
  readonly homestead: Homestead
  readonly provisioning: Provisioning
  readonly port: number
  readonly provisioningPort: number
  /** Stops accepting and finishes the requests at work; the stores stay open. */
  close(): Promise<void>
}

/**
 * Starts homestead and homestead-prov on the built-in subscriber database.
 *
 * @throws CwError PORT_IN_USE, PORT_NOT_PERMITTED or ADDRESS_NOT_LOCAL; nothing is left open then
 */
export async function startHomestead(options: HomesteadOptions): Promise<RunningHomestead> {
  const { clock, log, stores, homeDomain, scscfUri } = options
  const authenticationCentre = new AuthenticationCentre(stores.aka)
  const homestead = new LocalHomestead({
    cache: stores.cache,
    authenticationCentre,
    log,
    scscfUri,
    homeDomain,
  })
  const provisioning = new Provisioning({
    store: stores.provisioning,
    cache: stores.cache,
    aka: stores.aka,
    charging: options.charging ?? { ccf: [], ecf: [] },
  })

  const alive = options.isAlive === undefined ? {} : { isAlive: options.isAlive }
  const server = new HttpServer({
    log: log.with({ server: 'homestead' }),
    ...alive,
    ...(options.admission === undefined ? {} : { admission: options.admission }),
  })
  addHomesteadRoutes(server, homestead)
  options.addRoutes?.(server)

  const provisioningServer = new HttpServer({
    log: log.with({ server: 'homestead-prov' }),
    ...alive,
    ignoreTrailingSlash: true,
    gzip: true,
    shape: crestShape,
  })
  addProvisioningRoutes(provisioningServer, provisioning, homeDomain)
  addPublicIdList(provisioningServer, {
    store: stores.provisioning,
    clock,
    pause: options.listPause ?? seconds(1),
  })
  addBulkRoutes(provisioningServer, provisioning, homeDomain)

  const close = async (): Promise<void> => {
    await Promise.all([server.close(), provisioningServer.close()])
  }
  try {
    const port = await server.listen(options.bind, options.port)
    const provisioningPort = await provisioningServer.listen(options.bind, options.provisioningPort)
    return { homestead, provisioning, port, provisioningPort, close }
  } catch (error) {
    await close()
    throw error
  }
}
