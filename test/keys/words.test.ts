// Every sentence about a key that an operator may read: in plain words, with something to do, and none from a
// library.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import fc from 'fast-check';
import { KeyFileError } from '../../src/keys/blocks.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { judgeCertificate } from '../../src/keys/judgement.ts';
import { kindOfKey, LEFT_OUT, REASONS, WORDS } from '../../src/keys/words.ts';
import { freshKey, revoked } from '../support/freshkey.ts';
import { armored, madeCertificate } from '../support/handmade.ts';
import { openKeyCollection } from '../support/keys.ts';
import { mutated } from '../support/mutate.ts';
import { hugeDsa, hugeRsaExponent, withBadSubkeys, withSubkeys } from '../support/oddkeys.ts';
import { assertPlain } from '../support/plainwords.ts';
import { repositoryRoot } from '../support/shared.ts';

const collection = await openKeyCollection();
after(() => collection?.close());

/** What an operator reads about a file: nothing if all of it is used. */
async function sentencesAbout(file: Uint8Array): Promise<string[]> {
  try {
    const now = new Date();
    const judged = await Promise.all(
      (await parseCertificates(file)).map((each) => judgeCertificate(each, now, { subkeys: 'all' })),
    );
    return judged.flatMap((each) => ('reason' in each ? [each.reason] : each.leftOut));
  } catch (error) {
    assert.ok(error instanceof KeyFileError, `${error}`);
    return [error.message];
  }
}

test('every refusal of a key in the collection is in plain words', async (t) => {
  const keys = collection?.keys ?? [];
  let count = 0;
  for (const { certificate } of keys) {
    const sentences = await sentencesAbout(certificate);
    sentences.forEach(assertPlain);
    count += sentences.length;
  }
  t.diagnostic(`${count} sentences about ${keys.length} files`);
});

test('every refusal of a made-up key is in plain words', async () => {
  const alice = await freshKey('alice@example.com');
  const files = [
    Buffer.alloc(0),
    Buffer.from('hello'),
    Buffer.from('\uFEFFhello', 'utf16le'),
    Buffer.from(`\uFEFF${alice.certificate}`, 'utf16le'),
    Buffer.from(alice.certificate.toString().replace(/^/gm, '    ')),
    Buffer.from(alice.certificate.toString().replace(/^/gm, '> ')),
    Buffer.from(alice.certificate.toString().replace('PUBLIC KEY BLOCK', 'MESSAGE')),
    Buffer.from(alice.certificate.toString().replaceAll('PUBLIC KEY BLOCK', 'MESSAGE')),
    Buffer.from(alice.certificate.toString().replace('-----BEGIN', '----BEGIN')),
    Buffer.from(alice.certificate.toString().replace(/^-----BEGIN.*\n/, '')),
    Buffer.from(alice.certificate.toString().replace(/=/g, '!')),
    alice.certificate.subarray(0, 200),
    alice.secretKey,
    await revoked(alice),
    hugeDsa(2048),
    hugeRsaExponent(2048),
    hugeRsaExponent(512),
    await withSubkeys(alice, 1000),
    await withBadSubkeys(alice, 20),
    (await freshKey('alice@example.com', { subkeys: 20 })).certificate,
  ];
  for (const file of files) {
    const sentences = await sentencesAbout(file);
    sentences.forEach(assertPlain);
  }
});

test('every refusal of a certificate with something wrong in it is in plain words', async () => {
  const made = madeCertificate(Math.trunc(Date.now() / 1000) - 1000);
  const files = [made.certificate, made.secretKey, Buffer.from(armored(made.certificate))];
  await fc.assert(
    fc.asyncProperty(mutated(files), async (file) => {
      (await sentencesAbout(file)).forEach(assertPlain);
    }),
    { numRuns: 500 },
  );
});

test('every sentence that there is, is in plain words', () => {
  const samples: readonly unknown[] = [4, new Date(0), 'x'];
  for (const [name, sentence] of Object.entries({ ...WORDS, ...REASONS })) {
    if (name === 'unreadable') continue; // `check` says what to do about it
    for (const sample of samples) {
      const text = typeof sentence === 'string' ? sentence : said(sentence, sample);
      if (text !== undefined) assertPlain(text);
    }
  }
  for (const sentence of Object.values(LEFT_OUT))
    assert.match(typeof sentence === 'string' ? sentence : sentence('x'), /is not used/);
  assert.equal(kindOfKey({ version: 4, algorithm: 99 }), 'version 4, algorithm 99, unknown');
});

/** A sentence made for a sample, or undefined if it is not for one of that type. */
function said(sentence: unknown, sample: unknown): string | undefined {
  assert.ok(typeof sentence === 'function');
  try {
    const text: unknown = sentence(sample, sample);
    assert.ok(typeof text === 'string');
    return text;
  } catch (error) {
    assert.ok(error instanceof TypeError, `${error}`);
    return undefined;
  }
}

test('all sentences about key files are in words.ts, and no message of an error is passed on', () => {
  const directory = join(repositoryRoot(), 'src/keys');
  for (const file of readdirSync(directory).filter((name) => name.endsWith('.ts'))) {
    const text = readFileSync(join(directory, file), 'utf8');
    assert.doesNotMatch(text, /KeyFileError\(\s*['`]/, file);
    if (file === 'checks.ts' || file === 'parsedfiles.ts') continue; // they compare one, and pass on ours
    assert.doesNotMatch(text, /error\.message/, file);
  }
});
