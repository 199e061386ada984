import assert from 'node:assert/strict';
import { test } from 'node:test';
import { asciiDomain, parseAddress, parsePathArguments, splitDetail } from '../../src/core/address.ts';

const TAKEN: readonly (readonly [path: string, local: string, domain: string])[] = [
  ['user@example.org', 'user', 'example.org'],
  ['User@EXAMPLE.org', 'User', 'EXAMPLE.org'],
  ['user+detail@example.org', 'user+detail', 'example.org'],
  ['u.ser@example.org', 'u.ser', 'example.org'],
  ["!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", 'example.org'],
  // dots where RFC 5321 has none, as in mailboxes that exist
  ['.u..ser.@example.org', '.u..ser.', 'example.org'],
  // RFC 5321 §4.1.2: quoted local parts
  ['"user"@example.org', 'user', 'example.org'],
  ['"us er"@example.org', 'us er', 'example.org'],
  ['"a@b"@example.org', 'a@b', 'example.org'],
  ['"a\\"b\\\\c\\d"@example.org', 'a"b\\cd', 'example.org'],
  ['"../x"@example.org', '../x', 'example.org'],
  // §3.3, appendix C: source routes are accepted and ignored
  ['@relay.example:user@example.org', 'user', 'example.org'],
  ['@relay.example,@other.example:user@example.org', 'user', 'example.org'],
  ['@relay.example:"@x:y"@example.org', '@x:y', 'example.org'],
  ['"@x:y"@example.org', '@x:y', 'example.org'],
  // §4.5.1: postmaster needs no domain
  ['postmaster', 'postmaster', ''],
  ['"Postmaster"', 'Postmaster', ''],
  // RFC 6531
  ['jürgen@bücher.example', 'jürgen', 'bücher.example'],
  ['user@xn--bcher-kva.example', 'user', 'xn--bcher-kva.example'],
  ['user@XN--BCHER-KVA.example', 'user', 'XN--BCHER-KVA.example'],
  ['user@xn--fa-hia.xn--fiqs8s', 'user', 'xn--fa-hia.xn--fiqs8s'],
  ['user@ab--cd.example', 'user', 'ab--cd.example'],
  // §4.1.3
  ['user@[192.0.2.1]', 'user', '[192.0.2.1]'],
  ['user@[IPv6:2001:db8::1]', 'user', '[IPv6:2001:db8::1]'],
  ['user@example.org.', 'user', 'example.org'],
  ['user@under_score.example', 'user', 'under_score.example'],
];

for (const [path, local, domain] of TAKEN) {
  test(`<${path}> is local part ${local} in domain "${domain}"`, () => {
    assert.deepEqual(parseAddress(path), { local, domain });
  });
}

const REFUSED = [
  ...['', '@', '@example.org', 'user@', 'user@.', '""@example.org', '""', '"'],
  ...[
    'user @example.org',
    ' user@example.org',
    'user@example.org ',
    'us er@example.org',
    'user@ex ample.org',
  ],
  ...['a@b@example.org', 'a"b"@example.org', '"a"b@example.org', '"a"."b"@example.org', '"a@example.org'],
  ...['a\\b@example.org', 'a(comment)@example.org', 'a,b@example.org', 'a;b@example.org', 'a[b]@example.org'],
  ...[
    'user@a..b',
    'user@.a',
    'user@a/b',
    'user@..',
    'user@a%b',
    'user@a:25',
    'user@a@b',
    'user@(x)example.org',
  ],
  ...['user@[192.0.2.1', 'user@192.0.2.1]', 'user@[]', 'user@[a/b]', 'user@[a\\b]', 'user@[a\nb]', 'user@['],
  // A-labels that decode to nothing, to plain ASCII, to an A-label again, or to what is encoded otherwise
  ...[
    'user@xn--.example',
    'user@xn--a-.example',
    'user@xn--abc.example',
    'user@xn--0',
    'user@xn--example-.com',
  ],
  ...[
    'user@xn--xn--a--gua.pt',
    'user@xn--a-ecp.ru',
    'user@xn--mnchen-3y.example',
    'user@ok.xn--ascii.example',
  ],
  ...['user@XN--A.example', 'user@b\u00fccher.xn--a.example', 'user@xn--a\u00fc.example'],
  ...['user@127.1', 'user@0x7f.1', `user@${'x'.repeat(64)}.example`, 'user@xn--a.example', 'user@a\u200bb'],
  ...['@relay.example', '@relay.example:', '@relay.example user@example.org', '@a,b:user@example.org'],
  ...['us\0er@example.org', 'us\ner@example.org', '"us\rer"@example.org', '"us\\\ner"@example.org'],
  ...['user@exam\0ple.org', 'user\x7f@example.org', '\tuser@example.org', 'user@example.org\r\n'],
];

for (const path of REFUSED) {
  test(`${JSON.stringify(path.slice(0, 40))} is no address`, () => {
    assert.equal(parseAddress(path), undefined);
  });
}

test('a domain of more than 255 octets is no domain', () => {
  const domain = (labels: number) => `${'x'.repeat(50)}.`.repeat(labels).slice(0, -1);
  assert.equal(asciiDomain(domain(5)), domain(5));
  assert.equal(asciiDomain(domain(6)), undefined);
});

test('path and parameters are taken apart, keywords in upper case', () => {
  const parsed = parsePathArguments(' <user@example.org>  SIZE=100 body=8BITMIME SMTPUTF8 ');
  assert.equal(parsed?.path, 'user@example.org');
  assert.deepEqual(
    [...parsed.parameters],
    [
      ['SIZE', '100'],
      ['BODY', '8BITMIME'],
      ['SMTPUTF8', ''],
    ],
  );
});

test('brackets and blanks inside a quoted local part do not end the path', () => {
  for (const path of ['"a> SIZE=1"@example.org', '"a\\">"@example.org', '"<>"', '', 'a ', '@a,@b:c@d'])
    assert.equal(parsePathArguments(`<${path}> SIZE=1`)?.path, path);
});

test('an argument without brackets, with bytes right after them, or with bad parameters is refused', () => {
  const bad = [
    ...['', ' ', 'user@example.org', '<user@example.org', 'user@example.org>', '<<a@b>>', '<a@b>x', '<a@b>>'],
    ...['<"a@b>', 'x<a@b>', '<a@b> SIZE=', '<a@b> =1', '<a@b> -X=1', '<a@b> S_Z=1', '<a@b> SIZE=1=2'],
    ...[
      '<a@b> SIZE=1 size=2',
      '<a@b> SMTPUTF8 SMTPUTF8',
      '<a@b>\tSIZE=1',
      '<a\0@b>',
      '<a@b> X=\x7f',
      '<a@b>\r',
    ],
  ];
  for (const text of bad) assert.equal(parsePathArguments(text), undefined, JSON.stringify(text));
});

test('a path of 256 octets with its brackets is taken, and of 257 is not (RFC 5321 §4.5.3.1.3)', () => {
  const path = (octets: number) => `<${'x'.repeat(octets - 2)}>`;
  assert.equal(parsePathArguments(path(256))?.path.length, 254);
  assert.equal(parsePathArguments(path(257)), undefined);
  assert.equal(parsePathArguments(`<${'ü'.repeat(127)}>`)?.path.length, 127);
  assert.equal(parsePathArguments(`<${'ü'.repeat(128)}>`), undefined);
});

test('octets of a path that is latin1 text are counted as what they were on the wire', () => {
  const path = Buffer.from(`${'ü'.repeat(60)}@${'ü'.repeat(20)}.example`).toString('latin1');
  assert.equal(parsePathArguments(`<${path}>`, 'latin1')?.path, path);
});

test('the detail goes from the first delimiter on, but never the whole local part', () => {
  const stripped = (local: string, delimiters: string) =>
    splitDetail({ local, domain: 'example.org' }, delimiters)?.address.local;
  assert.equal(stripped('user+detail', '+'), 'user');
  assert.equal(stripped('user+a+b', '+'), 'user');
  assert.equal(stripped('user+', '+'), 'user');
  assert.equal(stripped('+detail', '+'), undefined);
  assert.equal(stripped('user', '+'), undefined);
  assert.equal(stripped('user-detail', '+'), undefined);
  assert.equal(stripped('user+detail', ''), undefined);
  assert.deepEqual(splitDetail({ local: 'first.last+x', domain: 'x.example' }, '+-.'), {
    address: { local: 'first', domain: 'x.example' },
    detail: 'last+x',
  });
});
