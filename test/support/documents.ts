// Makes the generated parts of the documents and of the source. `npm run documents` writes them, and a test
// proves that they are up to date.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bashCompletion } from '../../src/commands/bashcompletion.ts';
import { fishCompletion } from '../../src/commands/fishcompletion.ts';
import { commandManual, settingsManual } from '../../src/commands/manual.ts';
import { zshCompletion } from '../../src/commands/zshcompletion.ts';
import { exampleToml, settingsMarkdown } from '../../src/config/example.ts';
import { EVENTS } from '../../src/core/events.ts';
import { allReplies } from '../../src/core/outcome.ts';
import { ClusterMetrics } from '../../src/edge/clustermetrics.ts';
import { createGatewayMetrics } from '../../src/edge/gatewaymetrics.ts';
import { createMetrics } from '../../src/edge/metrics.ts';
import { compactTable } from './matrixinshort.ts';
import { repositoryRoot } from './shared.ts';
import { armorWasm } from './wasm.ts';

const EVENTS_HEAD = `# Events of the log

<!-- generated from core/events.ts -->

Each line of the log is one of these events: in JSON its name is \`msg\`, in lines for people it comes first.
[README](README.md#log) says where the log goes and how it looks. In JSON \`level\` is 20 for debug, 30 for
info, 40 for warn and 50 for error. Fields that have nothing to say are left out. A fault has \`error\`, a
sentence, and the \`code\` of the system, where it gave one. Fields and events may be added; an event that is
renamed or goes is in [CHANGELOG.md](CHANGELOG.md).
`;

/** Maps files, relative to the root of the repository, to their texts with every generated part made anew. */
export async function documents(): Promise<Map<string, string>> {
  const readme = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');
  const { version } = JSON.parse(readFileSync(join(repositoryRoot(), 'package.json'), 'utf8')) as {
    readonly version: string;
  };
  const parts = {
    settings: settingsMarkdown(),
    replies: repliesMarkdown(),
    metrics: await metricsMarkdown(),
    servers: compactTable('servers'),
    openpgp: compactTable('openpgp'),
    clients: compactTable('clients'),
  };
  const text = Object.entries(parts).reduce((whole, [name, part]) => replacePart(whole, name, part), readme);
  return new Map([
    ['README.md', text],
    ['EVENTS.md', eventsMarkdown()],
    ['config/sealdir.toml.example', exampleToml()],
    ['config/man/sealdir.1', commandManual(version)],
    ['config/man/sealdir.toml.5', settingsManual(version)],
    ['config/completion/sealdir.bash', bashCompletion()],
    ['config/completion/_sealdir', zshCompletion()],
    ['config/completion/sealdir.fish', fishCompletion()],
    ['src/openpgp/armorwasm.ts', await armorWasm()],
  ]);
}

function replacePart(text: string, name: string, part: string): string {
  const pattern = new RegExp(`(<!-- ${name}: [^\\n]*-->\\n)[\\s\\S]*?(<!-- /${name} -->)`);
  if (!pattern.test(text)) throw new Error(`no place for ${name}`);
  return text.replace(pattern, (_, open: string, close: string) => `${open}\n${part}\n${close}`);
}

function repliesMarkdown(): string {
  const rows = allReplies().map(
    ({ why, code, enhanced, text }) => `| \`${code} ${enhanced} ${text}\` | \`${why}\` |\n`,
  );
  return `| reply | \`why\` in log and metrics |\n|---|---|\n${rows.join('')}`;
}

/** Those that Node and the system have anyway, as far as rules and dashboard use them. */
const BORROWED = [
  'process_cpu_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'nodejs_eventloop_lag_p99_seconds',
];
function eventsMarkdown(): string {
  const rows = Object.entries(EVENTS).map(([name, { levels, fields, means, todo }]) => {
    const told = fields.map((field) => `\`${field}\``).join(', ');
    return `| \`${name}\` | ${levels.join(', ')} | ${told} | ${means} | ${todo} |\n`;
  });
  return `${EVENTS_HEAD}\n| event | level | fields | what it means | what to do |\n|---|---|---|---|---|\n${rows.join('')}`;
}

async function metricsMarkdown(): Promise<string> {
  const metrics = createMetrics();
  metrics.watch({
    connections: () => 0,
    deliveries: () => 0,
    hopConnections: () => ({ taken: 0, idle: 0 }),
    lostLines: () => 0,
    isForgetful: () => false,
    oldestSeconds: () => 0,
    freeBytes: async () => 0,
    minFreeBytes: () => 0,
  });
  const all = [
    ...(await metrics.registry.getMetricsAsJSON()),
    ...(await new ClusterMetrics(() => 0).registry.getMetricsAsJSON()),
    ...(await createGatewayMetrics({
      connections: () => 0,
      users: () => 0,
      lostLines: () => 0,
    }).registry.getMetricsAsJSON()),
  ];
  const rows = all
    .filter(({ name }, n) => all.findIndex((each) => each.name === name) === n)
    .filter(({ name }) => name.startsWith('sealdir_') || BORROWED.includes(name))
    .sort((a, b) => Number(BORROWED.includes(a.name)) - Number(BORROWED.includes(b.name)))
    .map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help.replace(/\.$/, '')} |\n`);
  return `| metric | type | what it counts |\n|---|---|---|\n${rows.join('')}`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [file, text] of await documents()) writeFileSync(join(repositoryRoot(), file), text);
}
