import type { Option } from '../option.ts'
import { ADDED_OPTIONS } from './additions.ts'
import { ADVANCED_DIAMETER_OPTIONS } from './advanced-diameter.ts'
import { ADVANCED_SERVICE_OPTIONS } from './advanced-services.ts'
import { ADVANCED_SIP_OPTIONS } from './advanced-sip.ts'
import { OPTIONS_BESIDE } from './beside.ts'
import { CORE_OPTIONS } from './core.ts'
import { EXPERIMENTAL_OPTIONS } from './experimental.ts'
import { SPROUTLET_OPTIONS } from './sproutlets.ts'

/** `/etc/clearwater/shared_config`: the same on every node of a deployment, learned from etcd. */
export const SHARED_OPTIONS: readonly Option[] = [
  ...CORE_OPTIONS,
  ...SPROUTLET_OPTIONS,
  ...ADVANCED_SIP_OPTIONS,
  ...ADVANCED_DIAMETER_OPTIONS,
  ...ADVANCED_SERVICE_OPTIONS,
  ...EXPERIMENTAL_OPTIONS,
  ...OPTIONS_BESIDE,
  ...ADDED_OPTIONS,
]
