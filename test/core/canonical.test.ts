// Which spellings are one address, and what names they get on disk.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  asciiDomain,
  canonicalAddress,
  formerPathSegment,
  parseAddress,
  partsOf,
  pathSegment,
  type SameAddress,
  textOfSegment,
} from '../../src/core/address.ts';

const IGNORE: SameAddress = { localCase: 'ignore', defaultDomain: 'mx.example.com' };
const EXACT: SameAddress = { ...IGNORE, localCase: 'exact' };

function canonical(path: string, same: SameAddress = IGNORE): string | undefined {
  const address = parseAddress(path);
  return address && canonicalAddress(address, same);
}

const ONE_ADDRESS = [
  ['alice@example.org', 'Alice@Example.ORG', '"alice"@example.org', '@relay.example:alice@example.org'],
  [
    'a@bücher.example',
    'a@BÜCHER.example',
    'a@xn--bcher-kva.example',
    'a@XN--BCHER-KVA.EXAMPLE',
    'a@bu\u0308cher.example.',
  ],
  ['jürgen@example.org', 'ju\u0308rgen@example.org', 'JÜRGEN@example.org', 'JU\u0308RGEN@example.org'],
  ['postmaster', 'Postmaster', 'postmaster@mx.example.com', 'POSTMASTER@MX.example.com'],
  ['a@[IPv6:2001:DB8::1]', 'A@[ipv6:2001:db8::1]'],
  ['"a b"@example.org', '"a\\ b"@example.org'],
];

for (const spellings of ONE_ADDRESS) {
  test(`${spellings.join(', ')} are one address`, () => {
    const [first, ...others] = spellings.map((spelling) => canonical(spelling));
    assert.ok(first !== undefined);
    for (const other of others) assert.equal(other, first);
  });
}

test('addresses that differ in more than spelling stay apart', () => {
  const paths = [
    ...[
      'user@example.org',
      'u.ser@example.org',
      'user+x@example.org',
      'user@example.com',
      'user@sub.example.org',
    ],
    ...[
      '"us er"@example.org',
      '"user@example.org"@example.org',
      'user',
      'user@[192.0.2.1]',
      'üser@example.org',
    ],
  ];
  assert.equal(new Set(paths.map((path) => canonical(path))).size, paths.length);
});

test('where the case of local parts counts, that of domains still does not', () => {
  assert.notEqual(canonical('Alice@example.org', EXACT), canonical('alice@example.org', EXACT));
  assert.equal(canonical('Alice@EXAMPLE.org', EXACT), 'Alice@example.org');
});

// no half surrogates: an address is decoded from valid UTF-8
const character = fc
  .oneof(
    fc.nat(0x7f),
    fc.integer({ min: 0x80, max: 0x5ff }),
    fc.nat(0xd7ff),
    fc.integer({ min: 0xe000, max: 0x10ffff }),
  )
  .map((code) => String.fromCodePoint(code));

test('a canonical address is its own canonical form', () => {
  const local = fc.oneof(fc.string({ unit: character, minLength: 1 }), fc.constant('I\u0327\u0307'));
  fc.assert(
    fc.property(local, fc.constantFrom(IGNORE, EXACT), (text, same) => {
      const once = canonicalAddress({ local: text, domain: 'Bücher.example' }, same);
      assert.ok(once !== undefined);
      assert.equal(canonicalAddress(partsOf(once), same), once);
      assert.equal(partsOf(once).domain, 'xn--bcher-kva.example');
    }),
    { numRuns: 500 },
  );
});

test('whatever a domain is, its A-label form is dot-separated ASCII labels, or there is none', () => {
  fc.assert(
    fc.property(fc.string({ unit: character }), fc.constantFrom('', '.example'), (text, suffix) => {
      const ascii = asciiDomain(text + suffix);
      if (ascii === undefined || ascii.startsWith('[')) return;
      assert.match(ascii, /^[a-z0-9_-]+(\.[a-z0-9_-]+)*$/);
      assert.equal(asciiDomain(ascii), ascii);
    }),
    { numRuns: 500 },
  );
});

const text = fc.oneof(
  fc.string({ unit: character, minLength: 1 }),
  fc.string({
    unit: fc.constantFrom('.', '/', '%', '2', 'E', 'F', '\0', ' ', 'a', '\\', 'ü', '~'),
    minLength: 1,
  }),
);

test('a segment is one name in its directory: no slash, no NUL, not ".", not "..", not hidden', () => {
  fc.assert(
    fc.property(text, (any) => {
      const segment = pathSegment(any);
      assert.match(segment, /^[^./\0][^/\0]*$/u);
    }),
    { numRuns: 500 },
  );
});

test('a segment is turned back into its text, so no two texts share one', () => {
  fc.assert(
    fc.property(text, text, (one, other) => {
      assert.equal(textOfSegment(pathSegment(one)), one);
      assert.equal(pathSegment(one) === pathSegment(other), one === other);
    }),
    { numRuns: 500 },
  );
});

test('segments of ordinary addresses are the addresses themselves', () => {
  for (const address of ['user+x@example.org', 'u.s_e-r=~1', 'jürgen', '用户@xn--bcher-kva.example'])
    assert.equal(pathSegment(address), address);
});

test('only what could leave the directory or cannot be seen is written as %XX of its UTF-8', () => {
  const expected = {
    '.': '%2E',
    '..': '%2E.',
    '../x': '%2E.%2Fx',
    '.hidden': '%2Ehidden',
    'a.b.': 'a.b.',
    'a/b': 'a%2Fb',
    'a%2Fb': 'a%252Fb',
    'a b\0': 'a%20b%00',
    "o'brien": "o'brien",
    "a'b;$(x)&!#*?": "a'b;$(x)&!#*?",
    '€': '€',
    'a\u0085b\u009b': 'a%C2%85b%C2%9B',
    'a\u202eb\u2066': 'a%E2%80%AEb%E2%81%A6',
  };
  for (const [raw, segment] of Object.entries(expected)) assert.equal(pathSegment(raw), segment);
});

test('a name in the former spelling still stands for its text', () => {
  for (const text of ["o'brien", 'a&b', '€', 'a b', '.x', 'a/b', '!'.repeat(20)])
    assert.equal(textOfSegment(formerPathSegment(text)), text);
});

test("a name that is not ours is taken as it is: lower-case hex, a stray '%', an encoded letter", () => {
  for (const name of ['a%2fb', '100%', 'a%', '%41', '%FF', '%E2%82', '.asc', 'a b'])
    assert.equal(textOfSegment(name), name);
});
