// The MTA-STS policy on a web server, as `sealdir dns --check --policy` reads it: at an address of the
// loopback that nobody else has, on the port that senders use.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { type NameServer, needsNameServer, startNameServer } from '../support/nameserver.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { openAuthority } from '../support/tls.ts';

const HOST = 'mail.example.com';
const WEB = 'mta-sts.example.com';

const needed = needsNameServer().skip === false ? needs('root') : needsNameServer();

describe('the policy', needed, () => {
  const address = `127.${randomInt(100, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  let directory: string;
  let names: NameServer | undefined;
  let web: Server | undefined;
  let reply = { status: 200, text: '' };
  const at = (file: string) => join(directory, file);
  const dns = (...args: string[]) => {
    const env = { PATH: directory, NODE_EXTRA_CA_CERTS: at('authority.pem') };
    const all = [CLI, 'dns', '--host', HOST, '--certificate', at('mail.pem'), ...args, 'example.com'];
    return run(process.execPath, all, { cwd: directory, env });
  };
  const checked = async () => {
    const { stdout } = await dns('--check', '--policy', '--resolver', names?.address ?? '');
    return stdout.toString();
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    const authority = await openAuthority(directory);
    await authority.certify('mail', { names: [HOST] });
    await authority.certify('web', { names: [WEB] });
    const read = (file: string) => readFile(at(file), 'utf8');
    names = await startNameServer([{ name: 'example.com', text: `${WEB}. IN A ${address}\n` }]);
    web = createServer({ cert: await read('web.pem'), key: await read('web.key') }, (request, response) => {
      const isPolicy = request.url === '/.well-known/mta-sts.txt' && request.headers.host === WEB;
      response.writeHead(isPolicy ? reply.status : 404, { 'content-type': 'text/plain', location: '/' });
      response.end(reply.text);
    });
    await once(web.listen(443, address), 'listening');
    reply = { status: 200, text: (await dns('--policy')).stdout.toString() };
    assert.match(reply.text, /^mode: enforce$/m);
  });
  after(async () => {
    web?.close();
    await names?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  test('as it was printed, it is right, with either end of line', async () => {
    assert.doesNotMatch(await checked(), /mta-sts\.txt/);
    const lf = reply;
    reply = { status: 200, text: lf.text.replaceAll('\n', '\r\n') };
    assert.doesNotMatch(await checked(), /mta-sts\.txt/);
    reply = lf;
  });

  const WRONG: readonly (readonly [string, (text: string) => { status: number; text: string }, RegExp])[] = [
    ['missing', (text) => ({ status: 404, text }), /error: https:\S+ cannot be read \(status 404\)/],
    ['elsewhere', (text) => ({ status: 301, text }), /error: https:\S+ cannot be read \(status 301\)/],
    ['no policy', () => ({ status: 200, text: '<html>' }), /error: https:\S+ has no valid policy/],
    ['endless', (text) => ({ status: 200, text: text + 'x'.repeat(100_000) }), /error: .*it is too large/],
    [
      'for another MX',
      (text) => ({ status: 200, text: text.replace('mx: mail', 'mx: old') }),
      /error: https:\S+ names old\.example\.com, not mail\S+: servers with MTA-STS deliver nothing/,
    ],
    [
      'off',
      (text) => ({ status: 200, text: text.replace('enforce', 'none') }),
      /warning: https:\S+ says "mode: none"/,
    ],
    [
      'by a pattern',
      (text) => ({ status: 200, text: text.replace('mx: mail', 'mx: *') }),
      /note: https:\S+ is not what --policy prints \(mode: enforce\)/,
    ],
  ];
  for (const [name, alter, says] of WRONG)
    test(`${name}: is found`, async () => {
      const right = reply;
      reply = alter(right.text);
      assert.match(await checked(), says);
      reply = right;
    });

  test('a certificate that senders do not accept is found', async () => {
    web?.setSecureContext({ cert: await readFile(at('mail.pem')), key: await readFile(at('mail.key')) });
    assert.match(await checked(), /error: https:\S+ cannot be read \(ERR_TLS_CERT_ALTNAME_INVALID\)/);
  });
});
