// What a source answers -> a recipient: names, paths, sizes and keys as sites write them, and answers that
// make no sense.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Fields, recipientOf } from '../../src/recipients/answer.ts';
import { AnswerError } from '../../src/recipients/source.ts';

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const ASKED = 'alice@example.com';
const of = (...rows: Fields[]) => recipientOf(rows, ASKED, SAME);

test('no row is no recipient, and a row with nothing in it is the one that was asked for', () => {
  assert.equal(of(), undefined);
  assert.deepEqual(of({}), { address: ASKED });
  assert.deepEqual(of({ account: null, maildir: '', quota: null, key: null }), { address: ASKED });
});

test('an account is an address in any spelling, a name in the same domain, or what takes the rest', () => {
  const accounts: Record<string, string> = {
    'Bob@Example.NET': 'bob@example.net',
    bob: 'bob@example.com',
    '@Example.COM': '@example.com',
    'bob@MÜNCHEN.example': 'bob@xn--mnchen-3ya.example',
  };
  for (const [account, address] of Object.entries(accounts)) assert.equal(of({ account })?.address, address);
  for (const account of ['being renamed or removed', 'a@b@c', '@', 'a\u0000@example.com'])
    assert.throws(() => of({ account }), /bad account/, account);
});

test('a path is that of a Maildir, or a home and a folder, or what Dovecot has', () => {
  assert.equal(of({ maildir: '/var/vmail/a/' })?.maildir, '/var/vmail/a/');
  assert.equal(of({ home: '/home/alice', folder: 'Maildir' })?.maildir, '/home/alice/Maildir');
  assert.equal(of({ home: '/home/alice' })?.maildir, '/home/alice');
  assert.equal(of({ maildir: Buffer.from('/var/vmail/a') })?.maildir, '/var/vmail/a');
  assert.equal(of({ maildir: 'maildir:/srv/vmail/a:INDEX=MEMORY' })?.maildir, '/srv/vmail/a');
  assert.equal(of({ maildir: 'maildir:/srv/vmail/a:LAYOUT=fs' })?.maildir, '/srv/vmail/a');
  for (const maildir of ['maildir:', '/a\nb', 'x:/y:LAYOUT=index'])
    assert.throws(() => of({ maildir }), /bad maildir/, maildir);
});

test('an owner is a uid and a gid, never one of them, and no number that means something else', () => {
  assert.deepEqual(of({ uid: 5000, gid: '5001' })?.owner, { uid: 5000, gid: 5001 });
  assert.deepEqual(of({ uid: 0n, gid: 0 })?.owner, { uid: 0, gid: 0 }); // refused where it would be used
  assert.equal(of({ uid: null, gid: '' })?.owner, undefined);
  assert.throws(() => of({ uid: 5000 }), /bad gid/);
  assert.throws(() => of({ gid: 5000 }), /bad uid/);
  for (const uid of [-1, '-1', 1.5, '4294967295', 2 ** 32, 'vmail', '0x10', ' 5', '99999999999'])
    assert.throws(() => of({ uid, gid: 5000 }), /bad uid/, String(uid));
});

test('sizes are bytes or have a unit, and no limit is written in many ways', () => {
  const sizes: [unknown, number | undefined][] = [
    [1000, 1000],
    ['1000', 1000],
    [10n, 10],
    ['500M', 500 * 2 ** 20],
    ['5G', 5 * 2 ** 30],
    ['2 GB', 2 * 2 ** 31 * 0.5],
    ['1048576.0', 1048576],
    [0, undefined],
    ['-1', undefined],
    [null, undefined],
  ];
  for (const [quota, bytes] of sizes) assert.equal(of({ quota })?.quota, bytes, String(quota));
  assert.deepEqual(of({ quota: '1K', used: '12' }), { address: ASKED, quota: 1024, used: 12 });
  for (const quota of ['much', '5X', '1.5G', true, {}]) assert.throws(() => of({ quota }), /bad quota/);
});

test('several rows are one account with several keys, and never several accounts', () => {
  const [one, two] = ['KEY 1', Buffer.from('KEY 2')];
  assert.deepEqual(of({ key: one }, { key: two }, { key: null })?.keys, [one, two]);
  assert.throws(() => of({ account: 'a@example.com' }, { account: 'b@example.com' }), /several accounts/);
  assert.throws(() => of({ key: 5 }), /bad key/);
});

test('a word about mail without a usable key is one of four, and the same in each row', () => {
  for (const unusable of ['defer', 'reject', 'last-valid', 'hold'])
    assert.deepEqual(of({ unusable }), { address: ASKED, unusable });
  assert.equal(of({ unusable: Buffer.from('hold') })?.unusable, 'hold');
  for (const unusable of [null, undefined, '']) assert.deepEqual(of({ unusable }), { address: ASKED });
  const rows = [
    { key: 'KEY 1', unusable: 'hold' },
    { key: 'KEY 2', unusable: null },
  ];
  assert.equal(of(...rows)?.unusable, 'hold');
  for (const unusable of ['Hold', 'hold ', 'lastvalid', 'none', '0', 1, true, {}])
    assert.throws(() => of({ unusable }), AnswerError, String(unusable));
  assert.throws(() => of({ unusable: 'hold' }, { unusable: 'defer' }), AnswerError);
});

test('rules are one a line, of all rows, and one that is none makes nobody unreachable', () => {
  const recipient = of(
    { rules: 'header A is b -> C\r\n\n  nonsense\n' },
    { rules: Buffer.from('detail exists -> D\nheader A is b -> C') },
  );
  assert.deepEqual(
    recipient?.rules?.map((rule) => [rule.text, 'problem' in rule]),
    [
      ['header A is b -> C', false],
      ['nonsense', true],
      ['detail exists -> D', false],
    ],
  );
  assert.equal(of({ rules: '' })?.rules, undefined);
  assert.equal(of({ rules: ' \n' })?.rules, undefined);
  assert.throws(() => of({ rules: ['header A is b -> C'] }), /bad rules/);
});

test('of more rules than fifty the first fifty count, and it is said', () => {
  const rules = Array.from({ length: 1000 }, (_, n) => `header A is ${n} -> C`).join('\n');
  const read = of({ rules })?.rules ?? [];
  assert.equal(read.length, 51);
  const last = read.at(-1);
  assert.ok(last !== undefined && 'problem' in last && /^is rule 51, /.test(last.problem));
});

test('a Maildir with LAYOUT=fs has its folders elsewhere', () => {
  assert.equal(of({ maildir: 'maildir:/srv/vmail/a:LAYOUT=fs' })?.inboxOnly, true);
  assert.equal(of({ maildir: 'maildir:/srv/vmail/a:LAYOUT=++' })?.inboxOnly, undefined);
});

test('a header policy is one of three, and the same in each row', () => {
  for (const headerPolicy of ['visible', 'baseline', 'minimal'])
    assert.deepEqual(of({ header_policy: headerPolicy }), { address: ASKED, headerPolicy });
  for (const none of [null, undefined, '']) assert.deepEqual(of({ header_policy: none }), { address: ASKED });
  for (const odd of ['Minimal', 'none', 'hcp_baseline', 1, true])
    assert.throws(() => of({ header_policy: odd }), /bad header_policy|bad/, String(odd));
  assert.throws(() => of({ header_policy: 'minimal' }, { header_policy: 'visible' }), AnswerError);
});
