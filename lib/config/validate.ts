import { parseConfigFile } from './config-file.ts'
import { inOrder, type Fault } from './fault.ts'
import { scopesOf, type Option, type Scope } from './option.ts'
import { findOption, nearestOption, OPTIONS } from './options.ts'
import { checkValue } from './value.ts'

/** The file of each scope as messages call it. */
export const FILE_OF: Readonly<Record<Scope, string>> = {
  shared: 'shared_config',
  local: 'local_config',
  user: 'user_settings',
}

/** What is wrong with a value, as a whole sentence without the value of a secret; undefined if nothing. */
export function validateOption(option: Option, value: string): string | undefined {
  const wrong = checkValue(option, value)
  if (wrong === undefined) return undefined
  return `${option.name} ${wrong}${option.secret === true ? '' : `, not ${JSON.stringify(shortened(value))}`}`
}

/** What is wrong with an option standing in a file, whatever its value; undefined if nothing. */
export function validateName(name: string, scope: Scope): Omit<Fault, 'line' | 'column'> | undefined {
  const option = findOption(name)
  if (option === undefined) {
    const near = nearestOption(name, scope)
    const message = `there is no option ${JSON.stringify(shortened(name))}`
    return { severity: 'error', message, key: name, ...(near === undefined ? {} : { nearest: near }) }
  }
  if (option.retired !== undefined) {
    return { severity: 'warning', message: `${name} has no effect: ${option.retired}`, key: name }
  }
  if (scopesOf(option).includes(scope)) return undefined
  const file = FILE_OF[option.scope]
  // On a node the later file wins, so a setting for all nodes in the shared file does what it says.
  return scope === 'shared' && option.scope === 'user'
    ? {
        severity: 'warning',
        message: `${name} belongs into ${file}; here it is the same on all nodes`,
        key: name,
      }
    : { severity: 'error', message: `${name} is not allowed here: it belongs into ${file}`, key: name }
}

/** Everything that is wrong with a node's or a deployment's configuration file, in the order of its lines. */
export function validateConfigFile(
  scope: Scope,
  text: string,
  earlier?: ReadonlyMap<string, string>,
): readonly Fault[] {
  const { values, lines, faults } = parseConfigFile(text, earlier)
  const found: Fault[] = [...faults]
  for (const [name, value] of values) {
    const place = { line: lines.get(name) ?? 1, column: 1 }
    const option = findOption(name)
    const misplaced = validateName(name, scope)
    if (misplaced !== undefined) found.push({ ...misplaced, ...place })
    if (option === undefined || option.retired !== undefined || value === '') continue
    const wrong = validateOption(option, value)
    if (wrong !== undefined) found.push({ severity: 'error', message: wrong, ...place, key: name })
  }
  for (const option of OPTIONS.values()) {
    if (option.required !== true || option.scope !== scope) continue
    if ((values.get(option.name) ?? '') !== '') continue
    found.push({ severity: 'error', message: `${option.name} is missing`, key: option.name })
  }
  return inOrder(found)
}

/** Everything that is wrong with a `shared_config`, each option by itself and some together. */
export function validateSharedConfig(text: string): readonly Fault[] {
  const { values, lines } = parseConfigFile(text)
  const together = contradictions(values).map(({ key, message }): Fault => ({
    severity: 'warning',
    message,
    key,
    line: lines.get(key) ?? 1,
    column: 1,
  }))
  return inOrder([...validateConfigFile('shared', text), ...together])
}

/** Values that are right by themselves and odd together. */
export function contradictions(
  values: ReadonlyMap<string, string>,
): readonly { readonly key: string; readonly message: string }[] {
  const found: { key: string; message: string }[] = []
  const number = (name: string): number => Number(values.get(name) ?? findOption(name)?.default)
  const reregistration = values.get('hss_reregistration_time')
  if (reregistration !== undefined && Number(reregistration) < number('reg_max_expires') / 2) {
    const message =
      'hss_reregistration_time is below half of reg_max_expires: registrations would be forgotten early'
    found.push({ key: 'hss_reregistration_time', message })
  }
  if (values.has('hss_hostname') && values.has('hs_provisioning_hostname')) {
    const message = 'hs_provisioning_hostname is not needed with an HSS: subscribers are provisioned there'
    found.push({ key: 'hs_provisioning_hostname', message })
  }
  if (values.has('enum_server') && values.has('enum_file')) {
    found.push({ key: 'enum_file', message: 'enum_file has no effect beside enum_server' })
  }
  if (number('default_session_expires') > number('max_session_expires')) {
    const message = 'default_session_expires is above max_session_expires'
    found.push({
      key: values.has('default_session_expires') ? 'default_session_expires' : 'max_session_expires',
      message,
    })
  }
  return found
}

function shortened(text: string): string {
  return text.length > 60 ? `${text.slice(0, 60)}…` : text
}
