// The canary of `check`: a message sealed to each recipient's keys, and what is noticed about one that is
// wrong.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { before, describe, test } from 'node:test';
import { faultOfSealed, sealCanaries } from '../../src/check/canary.ts';
import { parseSettings } from '../../src/config/load.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import { sealMessage } from '../../src/delivery/sealmessage.ts';
import { type Selection, select } from '../../src/delivery/select.ts';
import { realWorld } from '../../src/edge/world.ts';
import { parseCertificates } from '../../src/keys/certificates.ts';
import { makeCheckedSite, needsUsers } from '../support/checking.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const SECRET = 'canary 5f1d';
const world = realWorld('mx.example.com');

async function keysOf(...keys: readonly TestKey[]): Promise<Selection> {
  const certificates = await Promise.all(
    keys.map(({ certificate }) => parseCertificates(Buffer.from(certificate))),
  );
  const entry = { certificates: certificates.flat(), problems: [] };
  const selected = await select(entry, { subkeys: 'all', unusable: 'defer' }, Date.now());
  if ('why' in selected) throw new Error(selected.reasons.join());
  return selected;
}

async function sealed(keys: Selection, text = SECRET): Promise<Buffer> {
  const pieces: Buffer[] = [];
  const message = (async function* () {
    yield Buffer.from(`Subject: x\r\n\r\n${text}\r\n`);
  })();
  const options = { keys, world, meter: UNMETERED, headerPolicy: 'visible' as const, maxHeaderBytes: 10_000 };
  for await (const piece of sealMessage(message, options)) pieces.push(piece);
  return Buffer.concat(pieces);
}

describe('the canary', () => {
  let alice: TestKey;
  let bob: TestKey;
  before(async () => {
    alice = await makeKey('alice@example.com');
    bob = await makeKey('bob@example.com');
  });

  test('is fine if it is for each key of its recipient, and for no other', async () => {
    const [both, one] = [await keysOf(alice, bob), await keysOf(alice)];
    assert.equal(faultOfSealed(await sealed(both), both, SECRET), undefined);
    assert.match(
      faultOfSealed(await sealed(both), one, SECRET) ?? '',
      /^it is for \w{16}, \w{16}, not \w{16}$/,
    );
    assert.match(
      faultOfSealed(await sealed(one), both, SECRET) ?? '',
      /^it is for \w{16}, not \w{16}, \w{16}$/,
    );
  });

  test('is not fine with its text in clear, cut, damaged, or encrypted in another way', async () => {
    const keys = await keysOf(alice);
    const message = await sealed(keys);
    const fault = (bytes: Buffer, wanted = keys) => faultOfSealed(bytes, wanted, SECRET);
    assert.equal(fault(Buffer.concat([message, Buffer.from(SECRET)])), 'its text is in clear');
    assert.equal(fault(message.subarray(0, -200)), 'it has no whole OpenPGP message');
    assert.equal(fault(Buffer.from('Subject: x\n\nnothing\n')), 'it has no whole OpenPGP message');
    const begins = message.indexOf('-----BEGIN PGP MESSAGE-----\n\n') + 29;
    const other = Buffer.from(message);
    other.write('AAAA', begins, 'latin1');
    assert.equal(fault(other), 'it is no packet at octet 0');
    const version = keys.encryption.version === 1 ? 2 : 1;
    const encryption = { ...keys.encryption, version } as Selection['encryption'];
    assert.equal(fault(message, { ...keys, encryption }), 'it is not encrypted as agreed');
  });

  test('is tried for as many recipients as there is time for, and says for how many', async () => {
    const directory = await makeSite({
      'alice@example.com': alice.certificate,
      'bob@example.com': bob.certificate,
    });
    const loaded = parseSettings(tomlFor(directory), 'test.toml', { hostname: 'localhost' });
    assert.ok(loaded.ok);
    const all = await sealCanaries(loaded.settings, new Date());
    const none = await sealCanaries(loaded.settings, new Date(), -1);
    await rm(directory, { recursive: true });
    assert.deepEqual(all, {
      findings: [],
      counts: { recipients: 2, sealed: 2, unusable: 0, untried: 0, keys: 2 },
    });
    assert.deepEqual(none.counts, { recipients: 2, sealed: 0, unusable: 0, untried: 2, keys: 0 });
    assert.deepEqual(
      none.findings.map(({ id, level, what }) => [id, level, what]),
      [['canary-partly', 'note', 'keys.directory: a message was tried for 0 of 2 recipients']],
    );
  });

  test('counts recipients and keys, those of the site too, in text and in JSON', needsUsers(), async () => {
    const site = await makeCheckedSite({
      'alice@example.com': alice.certificate,
      'bob@example.com': bob.certificate,
    });
    await writeFile(site.at('keys/carol@example.com.asc'), 'no key');
    await writeFile(site.at('also.asc'), alice.certificate);
    await site.configure({ keys: `directory = "${site.at('keys')}"\nalso = ["${site.at('also.asc')}"]` });
    const { text, code } = await site.check();
    const { stdout } = await site.sealdir('check', { more: ['--json'] });
    await site.remove();
    const line =
      '3 recipients with a key file; a trial message was sealed for 2, to 4 keys; 1 without a usable key';
    assert.ok(text.includes(`\n${line}\n`), text);
    assert.equal(code, 1);
    const { counts, configuration, findings } = JSON.parse(stdout.toString());
    const found = { errors: 0, warnings: 1, notes: 1 };
    assert.deepEqual(counts, { ...found, recipients: 3, sealed: 2, unusable: 1, untried: 0, keys: 4 });
    assert.equal(configuration, site.at('sealdir.toml'));
    assert.deepEqual(Object.keys(findings[0]), ['id', 'severity', 'what', 'why', 'fix', 'command']);
  });

  test('tells in JSON of a configuration that cannot be used, each error with its line', async () => {
    const site = await makeCheckedSite({});
    await writeFile(site.at('sealdir.toml'), 'processes = "x"\n[lmtp]\nlistn = 3\n');
    const { stdout, code } = await site.sealdir('check', { more: ['--json'] });
    const text = await site.sealdir('check');
    await rm(site.at('sealdir.toml'));
    const absent = await site.sealdir('check', { more: ['--json'] });
    await site.remove();
    assert.deepEqual([code, text.code, absent.code], [78, 78, 78]);
    const { findings, counts } = JSON.parse(stdout.toString());
    assert.deepEqual(
      findings.map(({ id, what }: { id: string; what: string }) => `${id} ${what.split('.toml:')[1]}`),
      [
        'configuration-unusable 1: processes: "x" is not a whole number from 0 to 256',
        'configuration-unusable 3: unknown setting lmtp.listn, did you mean lmtp.listen?',
      ],
    );
    assert.equal(counts.errors, 2);
    assert.equal(JSON.parse(absent.stdout.toString()).counts.errors, 1);
  });
});
