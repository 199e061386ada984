// A table of addresses as they come in RCPT, and whose mail each is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAddress } from '../../src/core/address.ts';
import { resolve } from '../../src/delivery/resolve.ts';

const KNOWN = [
  'alice@example.com',
  'first.last@example.com',
  'first@example.com',
  'with space@example.com',
  'müller@example.com',
  'a+b@example.com',
  '+plus@example.com',
  'bob@xn--mnchen-3ya.example',
  'postmaster@mx.example.com',
  '@example.net',
  'alice@example.net',
];
const NFD = 'mu\u0308ller';

// RCPT path -> account, with the delimiters +, - and .
const TABLE: readonly (readonly [string, string])[] = [
  // case
  ['alice@example.com', 'alice@example.com'],
  ['ALICE@EXAMPLE.COM', 'alice@example.com'],
  // details, by each delimiter, split at the first; the exact address comes first
  ['alice+x@example.com', 'alice@example.com'],
  ['alice-x@example.com', 'alice@example.com'],
  ['alice.x@example.com', 'alice@example.com'],
  ['Alice+X-y.z@example.com', 'alice@example.com'],
  ['alice+@example.com', 'alice@example.com'],
  ['first.last@example.com', 'first.last@example.com'],
  ['first.last+x@example.com', 'first@example.com'],
  ['first.other@example.com', 'first@example.com'],
  ['a+b@example.com', 'a+b@example.com'],
  ['+plus@example.com', '+plus@example.com'],
  ['+x@example.com', 'unknownRecipient'],
  ['.alice@example.com', 'unknownRecipient'],
  ['nobody+alice@example.com', 'unknownRecipient'],
  // quoted local parts are the same without their quotes
  ['"alice"@example.com', 'alice@example.com'],
  ['"al\\ice"@example.com', 'alice@example.com'],
  ['"alice+x"@example.com', 'alice@example.com'],
  ['"with space"@example.com', 'with space@example.com'],
  ['"alice@example.com"@example.com', 'unknownRecipient'],
  // names in other scripts, in both forms
  ['müller@example.com', 'müller@example.com'],
  [`${NFD}@example.com`, 'müller@example.com'],
  [`${NFD.toUpperCase()}+x@example.com`, 'müller@example.com'],
  ['bob@münchen.example', 'bob@xn--mnchen-3ya.example'],
  ['bob@MÜNCHEN.example', 'bob@xn--mnchen-3ya.example'],
  ['bob@mu\u0308nchen.example', 'bob@xn--mnchen-3ya.example'],
  ['bob@xn--mnchen-3ya.example', 'bob@xn--mnchen-3ya.example'],
  ['bob@XN--MNCHEN-3YA.EXAMPLE', 'bob@xn--mnchen-3ya.example'],
  // dots
  ['alice@example.com.', 'alice@example.com'],
  ['alice..x@example.com', 'alice@example.com'],
  ['alice.@example.com', 'alice@example.com'],
  // no domain
  ['postmaster', 'postmaster@mx.example.com'],
  ['Postmaster+x', 'postmaster@mx.example.com'],
  ['alice', 'unknownRecipient'],
  // what takes the rest of a domain
  ['anybody@example.net', '@example.net'],
  ['any+body@EXAMPLE.net.', '@example.net'],
  ['alice@example.net', 'alice@example.net'],
  ['alice+x@example.net', 'alice@example.net'],
  ['anybody@sub.example.net', 'unknownRecipient'],
  ['anybody@example.org', 'unknownRecipient'],
];

for (const [path, account] of TABLE) {
  test(`mail for <${path}> is for ${account}`, async () => {
    const address = parseAddress(path);
    assert.ok(address);
    const found = await resolve(address, {
      recipients: { find: async (asked) => (KNOWN.includes(asked) ? { address: asked } : undefined) },
      same: { localCase: 'ignore', defaultDomain: 'mx.example.com' },
      delimiters: '+-.',
    });
    assert.equal('why' in found ? found.why : found.address, account);
  });
}
