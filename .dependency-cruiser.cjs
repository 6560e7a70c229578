// The import directions of docs/architecture: what may know what. A new edge is a decision, made here.
// Tests, and what only tests use: fakes, suites that several backends pass, processes to be killed.
const TEST = '\\.test\\.ts$|/testing/|/contract(/|\\.ts$)|/kill-child\\.ts$'

/** The words of the field that stores are spoken to in: types and what makes them, with nothing behind. */
const IMS_WORDS = 'ims/(identity|homestead|subscription)\\.ts'

/** What each folder of lib below `ims` may know beside itself and kit. */
const LOWER = {
  // Files of filter criteria are checked by who reads them.
  config: ['ims/ifc/sets\\.ts'],
  overload: [],
  sip: ['overload/'],
  http: ['overload/'],
  etcd: ['config/'],
  clustering: ['etcd/'],
  dns: ['sip/'],
  store: [IMS_WORDS],
  // Timers of a cluster are set over its HTTP interface.
  timers: ['store/', 'http/'],
}

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      comment: 'Two files that need each other hide a third idea, which wants a name and a place below both.',
      from: {},
      to: { circular: true },
    },
    {
      name: 'kit-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^lib/kit/', pathNot: TEST },
      to: { path: '^(lib|cli|daemons|test|bench|tool)/', pathNot: '^lib/kit/' },
    },
    {
      name: 'lib-knows-no-daemon-and-no-command',
      severity: 'error',
      from: { path: '^lib/' },
      to: { path: '^(daemons|cli)/' },
    },
    ...Object.entries(LOWER).map(([folder, known]) => ({
      name: `lib-${folder}-imports-only-what-is-below`,
      severity: 'error',
      from: { path: `^lib/${folder}/`, pathNot: TEST },
      to: { path: '^lib/', pathNot: `^lib/(${[`${folder}/`, 'kit/', ...known].join('|')})` },
    })),
    {
      name: 'ims-words-stand-alone',
      severity: 'error',
      from: { path: `^lib/${IMS_WORDS}` },
      to: { path: '^lib/', pathNot: `^lib/(kit/|sip/|${IMS_WORDS})` },
    },
    {
      name: 'daemons-do-not-import-each-other',
      severity: 'error',
      comment: 'They talk over their interfaces; only all-in-one sees several.',
      from: { path: '^daemons/([^/]+)/', pathNot: ['^daemons/all-in-one/', TEST] },
      to: { path: '^daemons/', pathNot: '^daemons/$1/' },
    },
    {
      name: 'daemons-know-no-command',
      severity: 'error',
      from: { path: '^daemons/' },
      to: { path: '^cli/' },
    },
    {
      name: 'commands-do-no-work',
      severity: 'error',
      comment:
        'A command turns flags into options for an operation and its result into output. It shows defaults.',
      from: { path: '^cli/commands/', pathNot: TEST },
      to: { path: '^(daemons/|cli/fleet/|lib/(?!(kit|config)/))' },
    },
    {
      name: 'render-knows-only-kit',
      severity: 'error',
      from: { path: '^cli/render/', pathNot: TEST },
      to: { path: '^(daemons|cli|lib)/', pathNot: '^(cli/render|lib/kit)/' },
    },
    {
      name: 'operations-print-nothing-and-know-no-command',
      severity: 'error',
      from: { path: '^cli/operations/', pathNot: TEST },
      to: { path: '^cli/(commands|render)/' },
    },
    {
      name: 'operations-start-daemons-in-two-places',
      severity: 'error',
      comment: '`cw up` runs all of them, `cw daemon` one; everything else talks to them over the network.',
      from: { path: '^cli/', pathNot: ['^cli/operations/(up|daemon[a-z-]*)\\.ts$', TEST] },
      to: { path: '^daemons/' },
    },
    {
      name: 'fleet-imports-only-lib',
      severity: 'error',
      from: { path: '^cli/fleet/', pathNot: TEST },
      to: { path: '^(cli|daemons)/', pathNot: '^cli/fleet/' },
    },
    {
      name: 'shipped-code-knows-no-test',
      severity: 'error',
      from: { path: '^(cli|daemons|lib)/', pathNot: TEST },
      to: { path: ['^(test|bench|tool)/', TEST] },
    },
    {
      name: 'shipped-code-uses-shipped-packages',
      severity: 'error',
      from: { path: '^(cli|daemons|lib)/', pathNot: TEST },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'unknown'], dependencyTypesNot: ['type-only'] },
    },
    { name: 'resolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
    skipAnalysisNotInRules: true,
  },
}
