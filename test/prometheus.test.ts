// What is handed out for Prometheus and Grafana agrees with the metrics table and with README, and Debian's
// promtool takes it: rules with their cases, and queries of the dashboard.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { needs } from './support/peers.ts';
import { run } from './support/process.ts';
import { CONFIG, dashboard } from './support/prometheus.ts';
import { repositoryRoot } from './support/shared.ts';

const read = (file: string) => readFileSync(join(repositoryRoot(), file), 'utf8');
const config = (file: string) => readFileSync(join(CONFIG, file), 'utf8');
const README = read('README.md');
const RULES = ['recording.rules.yml', 'alerts.rules.yml'];

/** The names in the generated table, and those that a histogram has in addition. */
function metricsOfTable(): Set<string> {
  const [, table = ''] = /<!-- metrics: [^\n]*-->([\s\S]*?)<!-- \/metrics -->/.exec(README) ?? [];
  const rows = [...table.matchAll(/^\| `(\w+)` \| (\w+) \|/gm)];
  assert.ok(rows.length > 20);
  const parts = (name: string) => ['', '_bucket', '_sum', '_count'].map((part) => name + part);
  return new Set(rows.flatMap(([, name = '', type]) => (type === 'histogram' ? parts(name) : [name])));
}

/** All that looks like one of our metrics or is asked of `rate` and the like. */
function metricsIn(expressions: string): string[] {
  const ours = [...expressions.matchAll(/(?<![\w:])(?:sealdir|process|nodejs)_\w+/g)].map(([name]) => name);
  const selected = [...expressions.matchAll(/(?<![\w:])([a-z][\w:]*)[{[]/g)].map(([, name = '']) => name);
  return [...new Set([...ours, ...selected])].filter((name) => name !== 'up');
}

const expressionsOf = (rules: string) =>
  [...rules.matchAll(/^ +expr: >-\n +(.*)$/gm)].map(([, expression = '']) => expression);
const recorded = [...config('recording.rules.yml').matchAll(/^ +- record: (\S+)$/gm)].map(([, name]) => name);
const alerts = config('alerts.rules.yml')
  .split(/^ +- alert: /m)
  .slice(1)
  .map((text) => ({ name: /^\w+/.exec(text)?.[0] ?? '', text }));

test('every metric in the rules and in the dashboard is in the metrics table', () => {
  const known = metricsOfTable();
  const asked = [
    ...RULES.flatMap((file) => expressionsOf(config(file))),
    ...dashboard().panels.flatMap(({ targets }) => targets.map(({ expr }) => expr)),
  ];
  assert.ok(asked.length > 60, `${asked.length} expressions`);
  const strange = asked.flatMap(metricsIn).filter((name) => !known.has(name) && !recorded.includes(name));
  assert.deepEqual(strange, []);
  assert.deepEqual(metricsIn('rate(sealdir_x_total{a="b"}[5m]) + other[5m]'), ['sealdir_x_total', 'other']);
});

test('every alert has a summary, a description, a severity, and a paragraph in README that its runbook names', () => {
  assert.ok(alerts.length > 10);
  for (const { name, text } of alerts) {
    assert.match(text, /\n +severity: (critical|warning|info)\n/, name);
    assert.match(text, /\n +summary: \S+/, name);
    assert.match(text, /\n +description: >-\n +\S+/, name);
    assert.ok(text.includes(`\n          runbook: README.md#${name.toLowerCase()}\n`), name);
    const [, paragraph = ''] = new RegExp(`\n#### ${name}\n\n([\\s\\S]+?)\n\n`).exec(README) ?? [];
    assert.ok(paragraph.length > 80, `${name} has no paragraph`);
  }
  const headings = [...README.matchAll(/^#### (Sealdir\w+)$/gm)].map(([, name]) => name);
  assert.deepEqual(
    headings,
    alerts.map(({ name }) => name),
    'README has the same alerts in the same order',
  );
});

test('every alert has a case in which it fires, and one in which it does not', () => {
  const cases = config('alerts.test.yml')
    .split(/^ +alertname: /m)
    .slice(1);
  for (const { name } of alerts) {
    const own = cases.filter((text) => text.startsWith(`${name}\n`));
    assert.ok(
      own.some((text) => /^\w+\n +exp_alerts: \[\]\n/.test(text)),
      `${name} is never silent`,
    );
    assert.ok(
      own.some((text) => /^\w+\n +exp_alerts:\n +- exp_labels:/.test(text)),
      `${name} never fires`,
    );
  }
});

test('promtool takes the example, the rules and their cases', needs('promtool'), async () => {
  const promtool = async (...args: string[]) => {
    const { code, stdout, stderr } = await run('promtool', args, { cwd: CONFIG });
    assert.equal(code, 0, `${stdout}${stderr}`);
  };
  await promtool('check', 'config', 'prometheus.yml');
  await promtool('check', 'rules', ...RULES);
  const cases = readdirSync(CONFIG).filter((file) => file.endsWith('.test.yml'));
  assert.ok(cases.length > 0);
  await promtool('test', 'rules', ...cases);
});

test('the dashboard is as Grafana wants it: ids, places that do not overlap, a query for each panel', () => {
  const { schemaVersion, uid, templating, panels } = dashboard();
  assert.ok(schemaVersion >= 36);
  assert.match(uid, /^[\w-]{1,40}$/);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  assert.equal(new Set(panels.map(({ title }) => title)).size, panels.length);
  const taken = new Set<string>();
  for (const { title, type, description, gridPos, targets } of panels) {
    assert.match(type, /^(timeseries|stat)$/, title);
    assert.match(description, /\.$/, title);
    assert.ok(gridPos.x >= 0 && gridPos.x + gridPos.w <= 24, title);
    for (let x = gridPos.x; x < gridPos.x + gridPos.w; x++)
      for (let y = gridPos.y; y < gridPos.y + gridPos.h; y++) {
        assert.ok(!taken.has(`${x} ${y}`), `${title} is on another panel`);
        taken.add(`${x} ${y}`);
      }
    assert.ok(targets.length > 0, title);
    assert.equal(new Set(targets.map(({ refId }) => refId)).size, targets.length, title);
  }
  const variables = new Set(['__rate_interval', ...templating.list.map(({ name }) => name)]);
  for (const [, name = ''] of JSON.stringify(panels).matchAll(/\$\{?(\w+)/g))
    assert.ok(variables.has(name), `$${name} is not defined`);
});
