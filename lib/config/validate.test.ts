import { describe, expect, test } from 'vitest'
import { findOption } from './options.ts'
import { validateConfigFile, validateOption, validateSharedConfig } from './validate.ts'

const REQUIRED = 'home_domain=ims.test\nsprout_hostname=sprout.ims.test\nhs_hostname=hs.ims.test:8888\n'

/** As the manual has it for a first deployment. */
const FIRST = `# Deployment definitions
home_domain=ims.test
sprout_hostname=sprout.ims.test
hs_hostname=hs.ims.test:8888
hs_provisioning_hostname=hs.ims.test:8889
ralf_hostname=ralf.ims.test:10888
xdms_hostname=homer.ims.test:7888

# Email server configuration
smtp_smarthost=localhost
smtp_username=user
smtp_password="pass word"
email_recovery_sender=clearwater@example.org

# Keys
signup_key=secret
turn_workaround=secret
ellis_api_key=secret
ellis_cookie_key=secret
gemini=5056
memento_disk_limit=45% # of the disk
upstream_port=0
sprout_rr_level=pcscf,icscf
pbx_service_route="sip:sprout.example.com:5054;transport=tcp;lr;orig;auto-reg"
`

describe('validateSharedConfig', () => {
  test('accepts what the manual gives as an example', () => {
    expect(validateSharedConfig(FIRST)).toEqual([])
  })

  test.each(['home_domain', 'sprout_hostname', 'hs_hostname'])('misses %s', name => {
    const text = REQUIRED.split('\n')
      .filter(line => !line.startsWith(name))
      .join('\n')

    expect(validateSharedConfig(text)).toMatchObject([
      { severity: 'error', key: name, message: `${name} is missing` },
    ])
  })

  test.each([
    'local_ip=10.0.0.1',
    'public_ip=10.0.0.1',
    'public_hostname=a.ims.test',
    'node_idx=1',
    'etcd_cluster=10.0.0.1',
    'etcd_cluster_key=sprout',
  ])('%s is one node’s own and not allowed', line => {
    expect(validateSharedConfig(`${REQUIRED}${line}`)).toMatchObject([
      { severity: 'error', line: 4, key: line.split('=')[0] },
    ])
  })

  test.each([
    ['reg_max_expire=300', 'there is no option "reg_max_expire"', 'reg_max_expires'],
    ['reg_max_expires=never', 'reg_max_expires is a whole number, not "never"', undefined],
    ['reg_max_expires=2147484', 'reg_max_expires is at most 2147483', undefined],
    ['default_session_expires=89', 'is at least 90', undefined],
    ['nonce_count_supported=true', 'nonce_count_supported is Y or N, not "true"', undefined],
    ['ralf_hostname=ralf.ims.test:99999', 'ralf_hostname is a host name', undefined],
    ['enum_server=1.2.3.4,10.0.0.300', 'is a list of IP addresses', undefined],
    ['enum_server=1.1.1.1,2.2.2.2,3.3.3.3,4.4.4.4', 'has at most 3 entries', undefined],
    ['scscf_uri=tel:+123', 'is a SIP URI', undefined],
    ['sprout_rr_level=all', 'is one of pcscf pcscf,icscf pcscf,icscf,as', undefined],
    ['hss_realm="a b"', 'is a Diameter identity', undefined],
    ["stress_target='$(reboot)'", 'is a host name or an IP address', undefined],
    ["etcd_key='a;b'", 'is a name of letters', undefined],
    ["snmp_community='a;b'", 'is one word', undefined],
    ["smtp_username='a\nb'", 'line breaks', undefined],
    ['signup_key=$(id)', 'only $name', undefined],
  ])('refuses %s', (line, message, near) => {
    const [fault] = validateSharedConfig(`${REQUIRED}${line}\n`)

    expect(fault).toMatchObject({
      severity: 'error',
      line: 4,
      ...(near === undefined ? {} : { nearest: near }),
    })
    expect(fault?.message).toContain(message)
  })

  test.each([
    ['billing_cdf=cdf.ims.test', 'billing_cdf has no effect: it is called cdf_identity'],
    ['log_level=5', 'log_level belongs into user_settings'],
    ['hss_reregistration_time=100', 'below half of reg_max_expires'],
    ['enum_server=1.1.1.1\nenum_file=/etc/clearwater/enum.json', 'enum_file has no effect'],
  ])('warns of %s', (line, message) => {
    const [fault] = validateSharedConfig(`${REQUIRED}${line}\n`)

    expect(fault?.severity).toBe('warning')
    expect(fault?.message).toContain(message)
  })

  test('tells everything at once, in the order of the lines', () => {
    const faults = validateSharedConfig('a=1\nmax_peers=0\nreboot\nb=`x`\n')

    expect(faults.map(fault => fault.line ?? 0)).toEqual([0, 0, 0, 1, 2, 3, 4])
  })
})

test('a value may come from a file that is read earlier', () => {
  const earlier = new Map([['zone', 'ims.test']])
  const text =
    'local_ip=10.0.0.1\npublic_ip=10.0.0.1\npublic_hostname=a.$zone\netcd_cluster="10.0.0.1,10.0.0.2"\n'

  expect(validateConfigFile('local', text, earlier)).toEqual([])
  expect(validateConfigFile('local', text)).toMatchObject([
    { key: 'public_hostname' },
    { severity: 'warning', key: 'zone' },
  ])
})

test('the value of a secret is not told', () => {
  const option = findOption('signup_key')
  expect(option && validateOption(option, 's3cret\n')).toBe(
    'signup_key may not hold line breaks or control characters',
  )
})
