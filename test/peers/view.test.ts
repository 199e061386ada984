// What `src/view` says about messages in clear, and what a real Dovecot says about them: byte for byte, and
// hit for hit. README.md of that room lists what differs, which is in malformed messages only.

import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { matchesKey, type SearchKey } from '../../src/view/search/search.ts';
import { dayNumber } from '../../src/view/search/sentday.ts';
import { type MessageView, openView } from '../../src/view/view.ts';
import { openCorpus } from '../support/corpus.ts';
import { needsDovecot } from '../support/dovecot.ts';
import { answered, EXACT_ITEMS, fetched, peeked, STRUCTURE_ITEMS } from '../support/fetched.ts';
import { isLong, shortOf } from '../support/long.ts';
import { oddMessage } from '../support/oddmime.ts';
import { SEARCHED, searchesIn } from '../support/searches.ts';
import { startOracle, type ViewOracle } from '../support/vieworacle.ts';

const SEED = 7;
const corpus = shortOf(openCorpus().messages, 40).map(({ name, wire }) => ({ name, bytes: wire() }));
const odd = fc
  .sample(oddMessage(), { seed: SEED, numRuns: isLong ? 2000 : 40 })
  .map((bytes, n) => ({ name: `odd message ${n} of seed ${SEED}`, bytes }));
const deep = ['multipart/mixed; boundary=', 'message/rfc822; x='].map((type) => ({
  name: `many parts in each other, ${type}`,
  bytes: Buffer.from(nested(type)),
}));
const many = {
  name: 'too many parts',
  bytes: Buffer.from(`${nested('multipart/mixed; boundary=', 1)}${'--b0x\n\nx\n'.repeat(10_100)}`),
};
const messages = [...corpus, ...odd, ...deep, many, ...SEARCHED];

function nested(type: string, levels = 120): string {
  const part = (_: unknown, n: number) =>
    `Content-Type: ${type}b${n}x\n\n${type.startsWith('m') ? `--b${n}x\n` : ''}`;
  return Array.from({ length: levels }, part).join('');
}

describe('Dovecot and src/view', { ...(await needsDovecot('2.3')), timeout: 900_000 }, () => {
  let oracle: ViewOracle;
  let views: readonly MessageView[] = [];
  before(async () => {
    views = messages.map(({ bytes }) => openView(bytes));
    const dir = await mkdtemp(join(tmpdir(), 'sealdir-view-'));
    oracle = await startOracle(
      dir,
      messages.map(({ bytes }) => bytes),
    );
  });
  after(() => oracle.stop());

  /** Resolves to the differences in these items of these messages. */
  async function differences(of: readonly { name: string }[], items: readonly string[]): Promise<string[]> {
    const found: string[] = [];
    for (const [n, { name }] of messages.entries()) {
      const view = views[n];
      if (view === undefined || !of.some((each) => each.name === name)) continue;
      const theirs = await oracle.fetch(n + 1, items.map(peeked));
      for (const item of items) {
        const ours = fetched(view, item);
        if (theirs.get(answered(item)) !== ours) found.push(`${item} of ${name}: ${ours.slice(0, 300)}`);
      }
    }
    return found;
  }

  test('they agree about size, header, text and parts of them for every message', async () => {
    assert.deepEqual(await differences(messages, EXACT_ITEMS), []);
  });

  test('they agree about envelope, structure and sections of real messages', async () => {
    assert.deepEqual(await differences([...corpus, ...deep, many], STRUCTURE_ITEMS), []);
  });

  test('they agree about 99 in a hundred messages that nobody should have written', async () => {
    const items = STRUCTURE_ITEMS.filter((item) => !/\.HEADER\.FIELDS/.test(item));
    const found = await differences(odd, items);
    const names = new Set(found.map((each) => each.replace(/^.*? of (.*?): .*$/s, '$1')));
    assert.ok(names.size <= odd.length / 100, found.join('\n'));
  });

  test('they find the same messages', async () => {
    for (const key of searchesIn(views.slice(0, corpus.length), isLong ? 300 : 25)) {
      const theirs = await oracle.search(criteriaFor(key));
      const ours = views.flatMap((view, n) => (matchesKey(view, key) ? [n + 1] : []));
      assert.deepEqual(ours.map(nameOf), theirs.map(nameOf), JSON.stringify(key));
    }
  });

  const nameOf = (number: number) => messages[number - 1]?.name;
});

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function criteriaFor(key: SearchKey): string {
  const kind = key.kind.toUpperCase();
  if ('bytes' in key) return `${kind} ${key.bytes}`;
  if ('day' in key) {
    const date = new Date(key.day * 86_400_000);
    assert.equal(dayNumber(date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate()), key.day);
    return `${kind} ${date.getUTCDate()}-${MONTHS[date.getUTCMonth()]}-${date.getUTCFullYear()}`;
  }
  const literal = (text: string) => `{${Buffer.byteLength(text)}+}\r\n${text}`;
  const name = key.kind === 'header' ? `${literal(key.name)} ` : '';
  return `CHARSET UTF-8 ${kind} ${name}${literal(key.text)}`;
}
