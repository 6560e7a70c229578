import { Fleet, type FleetOptions } from '../../fleet/fleet.ts'
import { loadDeployment } from '../deployment-file.ts'
import { placeOfMachine, type Machine } from './place.ts'
import type { VerifyReport } from './report.ts'
import { verifyPlace, verifyService, type VerifyOptions } from './verify.ts'

/**
 * Verifies the deployment that a file describes.
 *
 * @throws CwError FILE_UNREADABLE, FILE_INVALID
 */
export async function verifyFile(
  file: string,
  options: VerifyOptions & { readonly fleet?: FleetOptions },
): Promise<VerifyReport> {
  const deployment = await loadDeployment(file)
  await using fleet = new Fleet(deployment.nodes, options.fleet)
  return await verifyService(deployment, fleet, options)
}

/**
 * Verifies one machine that runs a whole core.
 *
 * @throws CwError OPTION_INVALID
 */
export async function verifyMachine(machine: Machine, options: VerifyOptions): Promise<VerifyReport> {
  return verifyPlace(await placeOfMachine(machine), options)
}
