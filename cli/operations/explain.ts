import { deploymentJsonSchema } from '../../lib/config/deployment/schema.ts'
import type { Option } from '../../lib/config/option.ts'
import { scopesOf } from '../../lib/config/option.ts'
import { findOption, nearestOption } from '../../lib/config/options.ts'
import { FILE_OF } from '../../lib/config/validate.ts'
import { CwError } from '../../lib/kit/errors.ts'

/** What there is to know about an option, or about a key of the deployment file. */
export interface Explanation {
  readonly name: string
  readonly doc: string
  readonly files: readonly string[]
  readonly type?: string
  readonly default?: string
  readonly unit?: string
  readonly choices?: readonly string[]
  readonly min?: number
  readonly max?: number
  readonly used_by?: readonly string[]
  readonly impact?: string
  readonly section?: string
  readonly secret?: boolean
  readonly required?: boolean
  readonly retired?: string
}

/** @param name an option, or a key of the deployment file with dots: `nodes.address`. @throws CwError OPTION_INVALID */
export function explain(name: string): Explanation {
  const option = findOption(name)
  if (option !== undefined) return explanationOf(option)
  const doc = docOfKey(name)
  if (doc !== undefined) return { name, doc, files: ['cw.yaml'] }
  const near = nearestOption(name)
  throw new CwError('OPTION_INVALID', `there is no option "${name}"`, {
    changed: 'nothing',
    remedies: [
      ...(near === undefined ? [] : [`cw config explain ${near}`]),
      'all of them are in docs/configuration.md',
    ],
  })
}

function explanationOf(option: Option): Explanation {
  const { name, type, doc, unit, choices, min, max, usedBy, impact, section, secret, required, retired } =
    option
  const usual = option.default ?? option.derived
  return {
    name,
    doc,
    files: scopesOf(option).map(scope => FILE_OF[scope]),
    type,
    ...(usual === undefined ? {} : { default: usual }),
    ...(unit === undefined ? {} : { unit }),
    ...(choices === undefined ? {} : { choices }),
    ...(min === undefined ? {} : { min }),
    ...(max === undefined ? {} : { max }),
    used_by: usedBy,
    impact,
    section,
    ...(secret === undefined ? {} : { secret }),
    ...(required === undefined ? {} : { required }),
    ...(retired === undefined ? {} : { retired }),
  }
}

/** What the schema says under a path of keys; lists are passed through. */
function docOfKey(path: string): string | undefined {
  let schema: unknown = deploymentJsonSchema()
  for (const key of path.split('.')) {
    const inside = field(schema, 'items') ?? schema
    schema = field(field(inside, 'properties'), key)
  }
  const doc = field(schema, 'description')
  return typeof doc === 'string' ? doc : undefined
}

function field(value: unknown, key: string): unknown {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, key)
    ? (value as Readonly<Record<string, unknown>>)[key]
    : undefined
}
