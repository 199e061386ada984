// Address -> account: details, spellings, default domain, and Maildir paths that cannot leave the store.

import assert from 'node:assert/strict';
import { normalize } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { parseAddress } from '../../src/core/address.ts';
import { type Addressing, resolve } from '../../src/delivery/resolve.ts';
import { mailboxPath } from '../../src/maildir/template.ts';

const TEMPLATE = '/mail/{domain}/{local}';

function site(known: readonly string[], more: Partial<Addressing> = {}) {
  const asked: string[] = [];
  const parts: Addressing = {
    recipients: {
      async find(address) {
        asked.push(address);
        return known.includes(address) ? { address } : undefined;
      },
    },
    same: { localCase: 'ignore', defaultDomain: 'mx.example.com' },
    delimiters: '+',
    ...more,
  };
  const addressOf = async (path: string) => {
    const address = parseAddress(path);
    assert.ok(address, path);
    const account = await resolve(address, parts);
    return 'why' in account ? account.why : account.address;
  };
  return { asked, parts, addressOf };
}

test('an address with a detail is its own account if it exists, else the one without', async () => {
  const { addressOf } = site(['alice@example.com', 'alice+own@example.com']);
  assert.equal(await addressOf('alice+own@example.com'), 'alice+own@example.com');
  assert.equal(await addressOf('alice+list@example.com'), 'alice@example.com');
  assert.equal(await addressOf('alice+own+more@example.com'), 'alice@example.com');
  assert.equal(await addressOf('bob+list@example.com'), 'unknownRecipient');
});

test('a local part that begins with the delimiter has no detail', async () => {
  const { addressOf, asked } = site(['alice@example.com']);
  assert.equal(await addressOf('+alice@example.com'), 'unknownRecipient');
  assert.deepEqual(asked, ['+alice@example.com', '@example.com']);
});

test('the exact address comes first, then one split at the first delimiter, then what takes the rest', async () => {
  const { addressOf, asked } = site(['first@example.com', '@example.net'], { delimiters: '+-.' });
  assert.equal(await addressOf('first.last+x@example.com'), 'first@example.com');
  assert.deepEqual(asked, ['first.last+x@example.com', 'first@example.com']);
  assert.equal(await addressOf('anybody-else@Example.NET'), '@example.net');
  assert.equal(await addressOf('first@example.org'), 'unknownRecipient');
});

test('without a delimiter there are no details', async () => {
  const { addressOf } = site(['alice@example.com'], { delimiters: '' });
  assert.equal(await addressOf('alice+list@example.com'), 'unknownRecipient');
});

test('the domain never differs by case or script, the local part by case only where so configured', async () => {
  const known = ['alice@xn--mnchen-3ya.example'];
  const { addressOf } = site(known);
  for (const path of ['Alice@MÜNCHEN.example', 'alice@xn--mnchen-3YA.example', 'ALICE@münchen.example.']) {
    assert.equal(await addressOf(path), known[0]);
  }
  const exact = site(known, { same: { localCase: 'exact', defaultDomain: '' } });
  assert.equal(await exact.addressOf('alice@MÜNCHEN.example'), known[0]);
  assert.equal(await exact.addressOf('Alice@MÜNCHEN.example'), 'unknownRecipient');
});

test('a bare local part is in the default domain', async () => {
  const { addressOf } = site(['postmaster@mx.example.com']);
  assert.equal(await addressOf('Postmaster'), 'postmaster@mx.example.com');
});

test('a look-up that fails is passed on, never "unknown"', async () => {
  const find = () => Promise.reject(new Error('EIO'));
  const { addressOf } = site([], { recipients: { find } });
  await assert.rejects(addressOf('alice@example.com'), /EIO/);
});

test('a Maildir path stays one segment for each placeholder, whatever the address', () => {
  const nasty = fc.constantFrom(
    '..',
    '.',
    '/',
    '\\',
    '%2F',
    '{domain}',
    '$&',
    '~',
    ' ',
    'é',
    '\u202e',
    'a@b',
  );
  const local = fc.oneof(
    fc.string({ unit: 'binary', minLength: 1 }),
    fc.array(nasty, { minLength: 1 }).map((p) => p.join('')),
  );
  fc.assert(
    fc.property(local, (text) => {
      const path = mailboxPath(TEMPLATE, `${text}@example.com`);
      assert.match(path, /^\/mail\/example\.com\/[^/\0]+$/);
      assert.equal(normalize(path), path);
      assert.doesNotMatch(path, /\/\.[^/]*$/);
    }),
    { numRuns: 1000 },
  );
});

test('two addresses never share a Maildir path', () => {
  const local = fc.string({
    unit: fc.constantFrom('a', '%', '2', 'F', '/', '.', ' '),
    minLength: 1,
    maxLength: 6,
  });
  fc.assert(
    fc.property(local, local, (one, other) => {
      const [a, b] = [one, other].map((text) => mailboxPath(TEMPLATE, `${text}@example.com`));
      assert.equal(a === b, one === other);
    }),
    { numRuns: 2000 },
  );
});
