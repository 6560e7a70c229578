import { writeFileSync } from 'node:fs'
import { Child } from '../test/support/child.ts'
import { TempDir } from '../test/support/temp-dir.ts'
import { waitUntil } from '../test/support/wait.ts'
import { answersOptions } from '../test/support/sip-probe.ts'

export const BENCH_DOMAIN = 'ims.test'
export const BENCH_PASSWORD = 'secret'

const MODULES = '/usr/lib/x86_64-linux-gnu/kamailio/modules/'
const SHARED_MEMORY_MEGABYTES = 1024

interface KamailioOptions {
  readonly port: number
  /** Where initial requests go on: to the registered contact, or to another proxy's port. */
  readonly next: 'registered contact' | number
}

/** One Kamailio with a single UDP worker: digest registrar, and stateful proxy that stays in the dialog. */
export class Kamailio implements AsyncDisposable {
  readonly port: number
  readonly #child: Child
  readonly #dir: TempDir

  private constructor(options: KamailioOptions) {
    this.port = options.port
    this.#dir = new TempDir('kamailio')
    const config = this.#dir.file('kamailio.cfg')
    writeFileSync(config, kamailioConfig(options))
    const memory = ['-m', `${SHARED_MEMORY_MEGABYTES}`, '-M', '16']
    const args = ['-DD', '-E', '-f', config, '-Y', this.#dir.path, '-w', this.#dir.path, ...memory]
    // The main process takes its workers along when told to end, not when killed.
    this.#child = new Child('kamailio', args, { deathSignal: 'TERM' })
  }

  static async start(options: KamailioOptions): Promise<Kamailio> {
    const kamailio = new Kamailio(options)
    try {
      await waitUntil(`Kamailio on port ${options.port}`, async () => {
        return kamailio.#child.exit !== undefined || (await answersOptions(options.port))
      })
      if (kamailio.#child.exit) throw new Error(`Kamailio ended: ${kamailio.#child.stderr.slice(-2000)}`)
      return kamailio
    } catch (error) {
      await kamailio[Symbol.asyncDispose]()
      throw error
    }
  }

  get pid(): number {
    return this.#child.pid
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#child.stop('SIGTERM').catch(() => undefined)
    this.#dir[Symbol.dispose]()
  }
}

function kamailioConfig({ port, next }: KamailioOptions): string {
  const findNextHop =
    next === 'registered contact'
      ? 'if (!lookup("location")) { t_newtran(); t_reply("404", "Not Found"); exit; }'
      : `$du = "sip:127.0.0.1:${next}";`
  return `#!KAMAILIO
debug=0
log_stderror=yes
fork=yes
children=1
tcp_children=1
maxbuffer=4194304
auto_aliases=no
alias="${BENCH_DOMAIN}"
dns=no
rev_dns=no
use_dns_cache=no
listen=udp:127.0.0.1:${port}
listen=tcp:127.0.0.1:${port}

mpath="${MODULES}"
loadmodule "kex.so"
loadmodule "pv.so"
loadmodule "sl.so"
loadmodule "tm.so"
loadmodule "rr.so"
loadmodule "maxfwd.so"
loadmodule "textops.so"
loadmodule "siputils.so"
loadmodule "usrloc.so"
loadmodule "registrar.so"
loadmodule "auth.so"

modparam("usrloc", "db_mode", 0)
modparam("usrloc", "hash_size", 14)
modparam("registrar", "max_contacts", 1)
modparam("registrar", "max_expires", 3600)
modparam("rr", "enable_full_lr", 0)
modparam("rr", "append_fromtag", 0)
modparam("auth", "nonce_expire", 300)

request_route {
  if (!mf_process_maxfwd_header("70")) { sl_send_reply("483", "Too Many Hops"); exit; }
  if (is_method("OPTIONS") && uri == myself) { sl_send_reply("200", "OK"); exit; }
  if (is_method("CANCEL")) { if (t_check_trans()) t_relay(); exit; }
  if (has_totag()) {
    if (loose_route()) { if (!t_relay()) sl_reply_error(); exit; }
    if (is_method("ACK")) { if (t_check_trans()) t_relay(); exit; }
    sl_send_reply("481", "No Such Dialog");
    exit;
  }
  t_check_trans();
  if (is_method("REGISTER")) {
    if (!pv_www_authenticate("${BENCH_DOMAIN}", "${BENCH_PASSWORD}", "0")) {
      www_challenge("${BENCH_DOMAIN}", "1");
      exit;
    }
    if (!save("location")) sl_reply_error();
    exit;
  }
  record_route();
  ${findNextHop}
  if (!t_relay()) sl_reply_error();
}
`
}
