// Makes the generated parts of the documents and of the source. `npm run documents` writes them, and a test
// proves that they are up to date.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { exampleToml, settingsMarkdown } from '../../src/config/example.ts';
import { allReplies } from '../../src/core/outcome.ts';
import { ClusterMetrics } from '../../src/edge/clustermetrics.ts';
import { createMetrics } from '../../src/edge/metrics.ts';
import { repositoryRoot } from './shared.ts';
import { armorWasm } from './wasm.ts';

/** Maps files, relative to the root of the repository, to their texts with every generated part made anew. */
export async function documents(): Promise<Map<string, string>> {
  const readme = readFileSync(join(repositoryRoot(), 'README.md'), 'utf8');
  const parts = {
    settings: settingsMarkdown(),
    replies: repliesMarkdown(),
    metrics: await metricsMarkdown(),
  };
  const text = Object.entries(parts).reduce((whole, [name, part]) => replacePart(whole, name, part), readme);
  return new Map([
    ['README.md', text],
    ['config/sealdir.toml.example', exampleToml()],
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

async function metricsMarkdown(): Promise<string> {
  const metrics = createMetrics();
  metrics.watch({
    connections: () => 0,
    deliveries: () => 0,
    lostLines: () => 0,
    isForgetful: () => false,
    oldestSeconds: () => 0,
  });
  const all = [
    ...(await metrics.registry.getMetricsAsJSON()),
    ...(await new ClusterMetrics(() => 0).registry.getMetricsAsJSON()),
  ];
  const rows = all
    .filter(({ name }, n) => name.startsWith('sealdir_') && all.findIndex((each) => each.name === name) === n)
    .map(({ name, type, help }) => `| \`${name}\` | ${type} | ${help} |\n`);
  return `| metric | type | what it counts |\n|---|---|---|\n${rows.join('')}`;
}

if (process.argv[1] === import.meta.filename) {
  for (const [file, text] of await documents()) writeFileSync(join(repositoryRoot(), file), text);
}
