// Keys from web key directories, fetched from a real web server over HTTPS. Only the way to it is arranged:
// names lead to the loopback, and to a port of their own.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { realWorld } from '../../src/edge/world.ts';
import { MAX_KEY_FILE_BYTES } from '../../src/keys/parsedfiles.ts';
import { WkdClient } from '../../src/keys/wkdclient.ts';
import { RemoteWkd, type RemoteWkdOptions } from '../../src/keys/wkdremote.ts';
import { binaryOf, freshKey, revoked } from '../support/freshkey.ts';
import { needs } from '../support/peers.ts';
import { until } from '../support/until.ts';
import { makeAuthority, openWkdServer, type TestAuthority, type WkdServer } from '../support/wkd.ts';

const ALICE = 'alice@example.com';
const NAME = 'kei1q4tipxxu1yj79k9kfukdhfy631xe';
const ADVANCED = `openpgpkey.example.com /.well-known/openpgpkey/example.com/hu/${NAME}?l=alice`;
const DIRECT = `example.com /.well-known/openpgpkey/hu/${NAME}?l=alice`;
const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;
const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

const [alice, other, bob] = await Promise.all([
  freshKey(ALICE),
  freshKey(ALICE),
  freshKey('bob@example.com'),
]);
const fingerprint = async (armored: Buffer) => {
  const { parseCertificates } = await import('../../src/keys/certificates.ts');
  return (await parseCertificates(armored)).map((each) => each.fingerprint).join();
};

describe('a web key directory elsewhere', needs('openssl'), () => {
  let base: string;
  let authority: TestAuthority;
  let server: WkdServer;

  before(async () => {
    base = await mkdtemp(join(tmpdir(), 'sealdir-wkd-'));
    authority = await makeAuthority(base);
    server = await openWkdServer(authority);
  });
  after(async () => {
    await server?.close();
    await rm(base, { recursive: true, force: true });
  });

  /** Names that are not among `hosts` do not exist. */
  async function open(
    options: Partial<RemoteWkdOptions> & { hosts?: string[]; address?: string; port?: number } = {},
  ) {
    const { hosts = ['openpgpkey.example.com', 'example.com', 'elsewhere.example'], ...rest } = options;
    const { address = '127.0.0.1', port = server.port, ...own } = rest;
    const state = own.state ?? (await mkdtemp(join(base, 'state-')));
    let ms = 0;
    const route = {
      port,
      mayConnect: (ip: string) => ip === '127.0.0.1',
      async addressesOf(host: string) {
        if (hosts.includes(host)) return [{ address, family: 4 }];
        throw Object.assign(new Error(`getaddrinfo ENOTFOUND ${host}`), { code: 'ENOTFOUND' });
      },
    };
    const world = { ...realWorld('mx.example.com'), micros: () => ms * 1000 };
    const wkd = new RemoteWkd({
      world,
      same: SAME,
      state,
      domains: [],
      caFile: authority.caFile,
      waitMs: 10_000,
      route,
      ...own,
    });
    server.asked.splice(0);
    const pass = (more: number) => {
      ms += more;
    };
    return { wkd, state, pass, ask: () => wkd.keysOf({ address: ALICE }) };
  }

  const gives = (body: Buffer | string, status = 200) => {
    server.answer = (response) => void response.writeHead(status).end(body);
  };
  const used = (entry: Awaited<ReturnType<RemoteWkd['keysOf']>>) =>
    entry?.certificates.map((each) => each.fingerprint).join();

  test('the advanced method comes first, and its answer may be binary or armored', async () => {
    gives(await binaryOf(alice.certificate));
    const first = await open();
    assert.equal(used(await first.ask()), await fingerprint(alice.certificate));
    assert.deepEqual(server.asked, [ADVANCED]);
    gives(alice.certificate);
    assert.equal(used(await (await open()).ask()), await fingerprint(alice.certificate));
  });

  test('the direct method is for domains without a host openpgpkey, and for no other', async () => {
    gives(alice.certificate);
    const direct = await open({ hosts: ['example.com'] });
    assert.equal(used(await direct.ask()), await fingerprint(alice.certificate));
    assert.deepEqual(server.asked, [DIRECT]);
    gives('', 404);
    assert.equal(await (await open()).ask(), undefined);
    assert.deepEqual(server.asked, [ADVANCED]);
  });

  test('404 is "no key"; F34: everything else could not be asked, and is an error each time (451 4.3.0)', async () => {
    const { ask } = await open();
    for (const status of [204, 400, 401, 403, 410, 429, 500, 503, 304]) {
      gives(Buffer.alloc(0), status);
      await assert.rejects(ask(), new RegExp(`keys\\.wkd: ${ALICE}: .* answered ${status}`));
    }
    assert.equal(server.asked.length, 9);
    for (const [body, why] of [
      ['<html>not here</html>', /the answer /],
      ['', /the answer is empty/],
      [alice.secretKey, /SECRET key/],
      [Buffer.alloc(MAX_KEY_FILE_BYTES + 1, 'x'), /has over 262144 bytes/],
      [alice.certificate.subarray(0, 200), /the answer /],
    ] as const) {
      gives(body);
      await assert.rejects(ask(), why);
    }
    gives(alice.certificate);
    assert.equal(used(await ask()), await fingerprint(alice.certificate));
    const nowhere = await open({ hosts: [] });
    await assert.rejects(nowhere.ask(), /has an address; list the domains .* keys\.wkd_domains/);
  });

  test('a key for another address is not used, also beside one that is', async () => {
    gives(bob.certificate);
    await assert.rejects(
      (await open()).ask(),
      /the answer holds no key with a user ID for alice@example\.com/,
    );
    gives(Buffer.concat([bob.certificate, alice.certificate]));
    assert.equal(used(await (await open()).ask()), await fingerprint(alice.certificate));
    gives((await freshKey('Alice@EXAMPLE.com')).certificate);
    assert.equal((await (await open()).ask())?.certificates.length, 1);
  });

  test('a redirect is followed three times, to https: and to hosts of the public Internet only', async () => {
    const to = (location: string) => (response: Parameters<WkdServer['answer']>[0]) =>
      void response.writeHead(302, { location }).end();
    const elsewhere = `https://elsewhere.example:${server.port}`;
    server.answer = (response, request) => {
      const [, hop = '0'] = /\/hop(\d)/.exec(request.url ?? '') ?? [];
      if (Number(hop) < 3) to(`${elsewhere}/hop${Number(hop) + 1}`)(response);
      else response.end(alice.certificate);
    };
    assert.equal(used(await (await open()).ask()), await fingerprint(alice.certificate));
    assert.equal(server.asked.length, 4);
    const { ask } = await open();
    for (const [location, why] of [
      [`${elsewhere}/again`, /redirects more than 3 times/],
      [`http://elsewhere.example:${server.port}/`, /redirects to what is no https: URL/],
      ['file:///etc/passwd', /redirects to what is no https: URL/],
      ['https://', /redirects to what is no https: URL/],
      [`https://127.0.0.1:${server.port}/`, /127\.0\.0\.1 is no name of a host/],
      [`https://0x7f.1:${server.port}/`, /127\.0\.0\.1 is no name of a host/],
      [`https://[::1]:${server.port}/`, /is no name of a host/],
      ['https://nowhere.example/', /nowhere\.example does not exist/],
    ] as const) {
      server.answer = to(location);
      await assert.rejects(ask(), why);
    }
  });

  test('a host with an address of a private network is never connected to', async () => {
    gives(alice.certificate);
    const { ask } = await open({ address: '10.0.0.1' });
    await assert.rejects(ask(), /openpgpkey\.example\.com is not on the public Internet/);
    // the way that a server takes: the name service of the system, and no exception
    const client = new WkdClient({ caFile: authority.caFile });
    await assert.rejects(
      client.fetch('x@localhost', AbortSignal.timeout(5000)),
      /localhost is not on the public Internet/,
    );
    assert.deepEqual(server.asked, []);
  });

  test('a certificate that does not verify is an error, and nothing is asked', async () => {
    gives(alice.certificate);
    const { ask } = await open({ caFile: '' });
    await assert.rejects(ask(), /certificate/);
    const misnamed = await open({ hosts: ['openpgpkey.example.org'] });
    await assert.rejects(misnamed.wkd.keysOf({ address: 'alice@example.org' }), /altnames/);
    const missing = await open({ caFile: join(base, 'missing.pem') });
    await assert.rejects(missing.ask(), /missing\.pem/);
    assert.deepEqual(server.asked, []);
  });

  test('F34: a server that does not answer, or drop by drop, costs the time limit and no more', async (t) => {
    const drip = (response: Parameters<WkdServer['answer']>[0]) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('-'), 5);
      response.on('close', () => clearInterval(timer));
    };
    for (const answer of [() => {}, drip]) {
      server.answer = answer;
      const { ask } = await open({ waitMs: 300 });
      const started = performance.now();
      await assert.rejects(ask(), /no answer within 300 ms/);
      assert.ok(performance.now() - started < 2000);
    }
    const mute = createTcpServer().listen(0, '127.0.0.1');
    t.after(() => mute.close());
    await until('it listens', () => mute.listening);
    const { port } = mute.address() as { port: number };
    mute.on('connection', (socket) => t.after(() => socket.destroy()));
    await assert.rejects((await open({ waitMs: 300, port })).ask(), /no answer within 300 ms/);
  });

  test('F34: many questions to a dead server keep nobody of another domain waiting', async () => {
    server.answer = (response, { headers }) => {
      if (headers.host?.startsWith('openpgpkey.example.net')) response.writeHead(404).end();
    };
    const { wkd } = await open({
      waitMs: 2000,
      hosts: ['openpgpkey.example.com', 'openpgpkey.example.net'],
    });
    const waiting = Array.from({ length: 100 }, (_, n) =>
      assert.rejects(wkd.keysOf({ address: `user${n}@example.com` })),
    );
    await until('the dead one is asked', () => server.asked.length > 0);
    const started = performance.now();
    assert.equal(await wkd.keysOf({ address: 'carol@example.net' }), undefined);
    assert.ok(performance.now() - started < 1000);
    await Promise.all(waiting);
    assert.equal(server.asked.filter((each) => each.includes('user')).length, 4);
  });

  test('a key counts for an hour, "no key" for five minutes, and one question serves all who ask', async () => {
    gives(alice.certificate);
    const { ask, pass } = await open();
    await Promise.all([ask(), ask(), ask()]);
    pass(HOUR_MS - 1);
    await ask();
    assert.equal(server.asked.length, 1);
    gives('', 404);
    pass(1);
    assert.equal(await ask(), undefined);
    pass(5 * MINUTE_MS - 1);
    gives(alice.certificate);
    assert.equal(await ask(), undefined);
    pass(1);
    assert.equal(used(await ask()), await fingerprint(alice.certificate));
    assert.equal(server.asked.length, 3);
  });

  test('F34: while the server fails a key counts for a day, at once (250 2.1.5), and not for longer', async () => {
    gives(alice.certificate);
    const { ask, pass } = await open();
    await ask();
    let hanging: Parameters<WkdServer['answer']>[0] | undefined;
    server.answer = (response) => {
      hanging = response;
    };
    pass(23 * HOUR_MS);
    const started = performance.now();
    assert.equal(used(await ask()), await fingerprint(alice.certificate));
    assert.ok(performance.now() - started < 2000);
    hanging?.destroy();
    gives('', 500);
    pass(MINUTE_MS);
    assert.equal(used(await ask()), await fingerprint(alice.certificate));
    pass(HOUR_MS);
    await assert.rejects(ask(), /answered 500/);
  });

  test('the same primary key may change: a revocation that comes later counts', async () => {
    gives(alice.certificate);
    const { ask, pass } = await open();
    const [before] = (await ask())?.certificates ?? [];
    gives(await revoked(alice));
    pass(HOUR_MS);
    const [now] = (await ask())?.certificates ?? [];
    assert.equal(now?.fingerprint, before?.fingerprint);
    assert.equal(now?.parts.counts.signatures, (before?.parts.counts.signatures ?? 0) + 1);
  });

  test('F34: another primary key than the first is not used (451 4.7.5), until its pin is removed', async () => {
    const [first, second] = [await fingerprint(alice.certificate), await fingerprint(other.certificate)];
    gives(alice.certificate);
    const { ask, pass, state } = await open();
    await ask();
    const pin = join(state, 'pins', ALICE);
    assert.equal(await readFile(pin, 'latin1'), `${first}\n`);
    assert.deepEqual(await readdir(join(state, 'pins')), [ALICE]);
    for (const body of [other.certificate, Buffer.concat([alice.certificate, other.certificate])]) {
      gives(body);
      pass(HOUR_MS);
      let entry: Awaited<ReturnType<typeof ask>>;
      // what was known counts as long as the answer has not come
      await until('the answer counts', async () => {
        entry = await ask();
        return entry?.certificates.length === 0;
      });
      const [problem = ''] = entry?.problems ?? [];
      for (const part of [first, second, `remove ${pin}`, 'keys.directory'])
        assert.ok(problem.includes(part), problem);
    }
    // another process knows no more than the pin
    gives(other.certificate);
    const elsewhere = await open({ state });
    assert.equal((await elsewhere.ask())?.problems.length, 1);
    await rm(pin);
    assert.equal(used(await ask()), second);
    assert.equal(await readFile(pin, 'latin1'), `${second}\n`);
  });

  test('F34: without a place for pins nobody is asked, and a damaged pin is an error (451 4.3.0)', async () => {
    gives(alice.certificate);
    const gone = await open({ state: join(base, 'missing') });
    await assert.rejects(gone.ask(), /keys\.state: no key can be pinned.*ENOENT/);
    const file = join(base, 'file');
    await writeFile(file, '');
    await assert.rejects((await open({ state: file })).ask(), /keys\.state: no key can be pinned/);
    assert.deepEqual(server.asked, []);
    const { ask, state } = await open();
    for (const damage of ['', 'x\n', (await fingerprint(alice.certificate)).slice(1)]) {
      await mkdir(join(state, 'pins'), { recursive: true });
      await writeFile(join(state, 'pins', ALICE), damage);
      await assert.rejects(ask(), /keys\.state: .* is damaged/);
    }
  });

  test('whoever only looks pins nothing, and sees a pin', async () => {
    gives(alice.certificate);
    const { ask, state } = await open({ pinning: 'never' });
    assert.equal(used(await ask()), await fingerprint(alice.certificate));
    assert.deepEqual(await readdir(state), []);
    await (await open({ state })).ask();
    gives(other.certificate);
    assert.equal((await (await open({ state, pinning: 'never' })).ask())?.problems.length, 1);
  });

  test('only the domains of the setting are asked, and never what can have no directory', async () => {
    gives(alice.certificate);
    const { ask, wkd } = await open({ domains: ['example.net'] });
    assert.equal(await ask(), undefined);
    const all = await open();
    for (const address of ['@example.com', 'alice@[192.0.2.1]', 'alice@localhost'])
      assert.equal(await all.wkd.keysOf({ address }), undefined);
    assert.deepEqual(server.asked, []);
    assert.ok(wkd);
  });
});
