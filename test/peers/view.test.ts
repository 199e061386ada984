// What `src/view` says about messages in clear, and what a real Dovecot says about them: byte for byte, and
// hit for hit. README.md of that room lists what differs, which is in malformed messages only.

import assert from 'node:assert/strict';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import fc from 'fast-check';
import { fieldNamed, unfoldedValue } from '../../src/view/fields.ts';
import { matchesKey, type SearchKey } from '../../src/view/search/search.ts';
import { dayNumber, sentDay } from '../../src/view/search/sentday.ts';
import { type MessageView, openView } from '../../src/view/view.ts';
import { openCorpus } from '../support/corpus.ts';
import { needsDovecot } from '../support/dovecot.ts';
import { answered, EXACT_ITEMS, fetched, peeked, STRUCTURE_ITEMS } from '../support/fetched.ts';
import { isLong, shortOf } from '../support/long.ts';
import { nastyMessage } from '../support/nastymail.ts';
import { oddMessage } from '../support/oddmime.ts';
import { SEARCHED, searchesIn } from '../support/searches.ts';
import { startOracle, type ViewOracle } from '../support/vieworacle.ts';

interface Message {
  readonly name: string;
  readonly bytes: Buffer;
}

const SEED = 7;
const corpus = shortOf(openCorpus().messages, 40).map(({ name, wire }) => ({ name, bytes: wire() }));
const odd = fc
  .sample(oddMessage(), { seed: SEED, numRuns: isLong ? 2000 : 40 })
  .map((bytes, n) => ({ name: `odd message ${n} of seed ${SEED}`, bytes }));
const nasty = fc
  .sample(nastyMessage(), { seed: SEED, numRuns: isLong ? 1000 : 40 })
  .map((bytes, n) => ({ name: `nasty message ${n} of seed ${SEED}`, bytes }));
const deep = ['multipart/mixed; boundary=', 'message/rfc822; x='].map((type) => ({
  name: `many parts in each other, ${type}`,
  bytes: Buffer.from(nested(type)),
}));
const many = {
  name: 'too many parts',
  bytes: Buffer.from(`${nested('multipart/mixed; boundary=', 1)}${'--b0x\n\nx\n'.repeat(10_100)}`),
};
const messages: readonly Message[] = [...corpus, ...odd, ...nasty, ...deep, many, ...SEARCHED];
const searched: readonly Message[] = [...corpus, ...SEARCHED];

function nested(type: string, levels = 120): string {
  const part = (_: unknown, n: number) =>
    `Content-Type: ${type}b${n}x\n\n${type.startsWith('m') ? `--b${n}x\n` : ''}`;
  return Array.from({ length: levels }, part).join('');
}

describe('Dovecot and src/view', { ...(await needsDovecot('2.3')), timeout: 900_000 }, () => {
  let oracle: ViewOracle;
  let views: readonly MessageView[] = [];
  /** For each message the values of all items, asked for at once: Dovecot's cache changes what it says. */
  const answers: Map<string, string>[] = [];

  before(async () => {
    views = messages.map(({ bytes }) => openView(bytes));
    const dir = await mkdtemp(join(tmpdir(), 'sealdir-view-'));
    oracle = await startOracle(
      dir,
      messages.map(({ bytes }) => bytes),
    );
    const items = [...EXACT_ITEMS, ...STRUCTURE_ITEMS].map(peeked);
    for (const n of messages.keys()) answers.push(await oracle.fetch(n + 1, items));
  });
  after(() => oracle.stop());

  /** Returns the differences in these items of these messages. */
  function differences(of: readonly Message[], items: readonly string[]): string[] {
    return of.flatMap((message) => {
      const n = messages.indexOf(message);
      const view = views[n];
      assert.ok(view !== undefined);
      const wrong = items.filter((item) => answers[n]?.get(answered(item)) !== fetched(view, item));
      return wrong.map((item) => `${item} of ${message.name}: ${fetched(view, item).slice(0, 300)}`);
    });
  }

  test('they agree about size, header, text and parts of them for every message', () => {
    assert.deepEqual(differences(messages, EXACT_ITEMS), []);
  });

  test('they agree about envelope, structure and sections of real messages', () => {
    assert.deepEqual(differences([...corpus, ...deep, many], STRUCTURE_ITEMS), []);
  });

  test('they agree about 99 in a hundred messages that nobody should have written', () => {
    const found = differences(odd, STRUCTURE_ITEMS);
    const names = new Set(found.map((each) => each.replace(/^.*? of (.*?): .*$/s, '$1')));
    assert.ok(names.size <= odd.length / 100, found.join('\n'));
  });

  test('they agree about 99 in a hundred messages that are only nasty', () => {
    const found = differences(nasty, STRUCTURE_ITEMS);
    const names = new Set(found.map((each) => each.replace(/^.*? of (.*?): .*$/s, '$1')));
    assert.ok(names.size <= nasty.length / 100, found.join('\n'));
  });

  test('they find the same messages', async () => {
    for (const key of searchesIn(views.slice(0, corpus.length), isLong ? 80 : 25)) {
      const theirs = (await oracle.search(criteriaFor(key))).flatMap((number) => messages[number - 1] ?? []);
      const ours = messages.filter((_, n) => views[n] !== undefined && matchesKey(views[n], key));
      const names = (found: readonly Message[]) =>
        found
          .filter((message) => searched.includes(message) && !('day' in key && isBeyond32Bits(message)))
          .map(({ name }) => name);
      assert.deepEqual(names(ours), names(theirs), JSON.stringify(key));
    }
  });
});

/** Dovecot takes a Date before 1970 for one far ahead, and one after 2106 for none. */
function isBeyond32Bits({ bytes }: Message): boolean {
  const { parts, bytes: wire } = openView(bytes);
  const date = fieldNamed(wire, parts.header, 'date');
  const day = date && sentDay(unfoldedValue(wire, date));
  return day !== undefined && (day < 0 || day > 2 ** 32 / 86_400);
}

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
