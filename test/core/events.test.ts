// The table of events and the code name the same ones. What is not in the table does not compile.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EVENTS } from '../../src/core/events.ts';
import type { Verdict } from '../../src/core/outcome.ts';
import { createLog, type Log } from '../../src/edge/log.ts';
import { repositoryRoot } from '../support/shared.ts';

const root = join(repositoryRoot(), 'src');
const sources = readdirSync(root, { recursive: true, encoding: 'utf8' })
  .filter((file) => file.endsWith('.ts') && !/^core\/(key|server)events\.ts$/.test(file))
  .map((file) => readFileSync(join(root, file), 'utf8'));
/** The event of a delivery is its verdict. */
const VERDICTS: readonly Verdict[] = ['stored', 'deferred', 'refused'];
/** A call that writes a line, or the constant that is given to one. */
const USE = /(?:(?:info|warn|error|fault|say|told)\((?:[^;()]*?,\s*)?|= )'([^']+)'/g;

test('each event of the table is written somewhere', () => {
  const used = new Set<string>([
    ...VERDICTS,
    ...sources.flatMap((text) => [...text.matchAll(USE)].map(([, name = '']) => name)),
  ]);
  assert.deepEqual(
    Object.keys(EVENTS).filter((name) => !used.has(name)),
    [],
  );
});

test('no source writes to the log but through the table', () => {
  for (const text of sources) {
    assert.doesNotMatch(text, /console\.|as EventName|as keyof typeof EVENTS/);
  }
  assert.equal(sources.filter((text) => text.includes("from 'pino'")).length, 1);
});

test('an event, a level or a field that is not in the table does not compile', () => {
  const log: Log = createLog('silent');
  log.warn('worker died, replacing it', { pid: 1, code: 1, signal: null });
  // @ts-expect-error: no such event
  log.warn('worker dies', {});
  // @ts-expect-error: it is a warning
  log.info('worker died, replacing it', {});
  // @ts-expect-error: no such field
  log.warn('worker died, replacing it', { who: 1 });
  // @ts-expect-error: no fault
  log.fault('stopped', new Error('x'));
  // @ts-expect-error: it is a warning
  log.say('error', 'worker died, replacing it', {});
});

test('warnings and errors say what to do', () => {
  for (const [name, { levels, todo }] of Object.entries(EVENTS))
    if (levels.some((level) => level === 'warn' || level === 'error') && name !== 'recipients')
      assert.match(todo, /\.$/, name);
});
