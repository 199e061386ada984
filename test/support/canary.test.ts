// A canary is found in whatever form it is written down.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { holds, messageWith, newCanaries, searchFiles, searchImage, shownIn } from './canary.ts';

const canaries = newCanaries();
const { subject, body } = canaries;
const everyByteEncoded = body.replace(
  /./g,
  (character) => `=${character.charCodeAt(0).toString(16).toUpperCase()}`,
);

const FORMS: readonly (readonly [name: string, text: string])[] = [
  ['plain', `x${body}x`],
  ...['', '1', '12', '123'].map(
    (before) =>
      [
        `base64 behind ${before.length} bytes`,
        Buffer.from(`${before}${body}and more`).toString('base64'),
      ] as const,
  ),
  [
    'base64 in lines',
    Buffer.from(`some text ${body} and more`).toString('base64').replace(/.{19}/g, '$&\r\n'),
  ],
  ['quoted-printable', `=20${body.slice(0, 9)}=\r\n${body.slice(9)}=\n`],
  ['quoted-printable, every byte of it', everyByteEncoded],
  ['quoted-printable in lower case and lines', everyByteEncoded.toLowerCase().replace(/.{60}/g, '$&=\n')],
];

for (const [name, text] of FORMS) {
  test(`a canary is found in ${name}`, () => {
    assert.equal(holds(Buffer.from(text), body), true);
    assert.equal(holds(Buffer.from(text), newCanaries().body), false);
  });
}

test('a message holds all three of its canaries', () => {
  assert.deepEqual(shownIn(messageWith(canaries), canaries), Object.values(canaries));
});

test('a subject may be shown by the header of a stored message, and by nothing else', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-canary-'));
  try {
    await mkdir(join(directory, 'new'));
    await writeFile(join(directory, 'new/1'), `Subject: ${subject}\nTo: x\n\nsealed\n`);
    assert.deepEqual(await searchFiles(directory, canaries), []);
    await writeFile(join(directory, 'new/1'), `Subject: ${subject}\nTo: x\n\n${subject}\n`);
    await writeFile(join(directory, 'log'), `Subject: ${subject}\n`);
    const found = await searchFiles(directory, canaries);
    assert.deepEqual(found.sort(), [`log shows ${subject}`, `new/1 shows ${subject}`]);
  } finally {
    await rm(directory, { recursive: true });
  }
});

test('in an image a canary is found across the border of two blocks', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-canary-'));
  const image = join(directory, 'image');
  try {
    const before = Buffer.alloc(1024 * 1024 - 10);
    await writeFile(image, Buffer.concat([before, Buffer.from(body)]));
    await truncate(image, 5_000_000);
    assert.deepEqual(await searchImage(image, canaries), [`${image} shows ${body}`]);
    await writeFile(image, Buffer.concat([before, Buffer.from(subject)]));
    assert.deepEqual(await searchImage(image, canaries), []);
  } finally {
    await rm(directory, { recursive: true });
  }
});
