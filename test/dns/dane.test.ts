// Postfix as the server of a stranger: it finds MX, address and TLSA as `sealdir dns` printed them, in a zone
// that DNSSEC signs, and verifies the server's RSA and its ECDSA key by them. With another key it does not.

import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { SMTPServer } from 'smtp-server';
import { CLI } from '../support/child.ts';
import { type NameServer, needsNameServer, startNameServer } from '../support/nameserver.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { openAuthority } from '../support/tls.ts';
import { makeTraversable } from '../support/traversable.ts';

const HOST = 'mail.example.com';

const needed =
  needsNameServer().skip === false ? needs('root', 'posttls-finger', 'unshare') : needsNameServer();

describe('Postfix with DANE', needed, () => {
  const address = `127.${randomInt(100, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`;
  let directory: string;
  let names: NameServer | undefined;
  const at = (file: string) => join(directory, file);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    await makeTraversable(directory);
    const authority = await openAuthority(directory);
    await authority.certify('rsa', { kind: 'rsa', names: [HOST] });
    await authority.certify('ec', { names: [HOST] });
    await authority.certify('stranger', { names: [HOST] });
    const certificates = ['--certificate', at('rsa.pem'), '--certificate', at('ec.pem')];
    const args = [CLI, 'dns', '--host', HOST, '--ip', address, ...certificates, 'example.com'];
    const { code, stdout, stderr } = await run(process.execPath, args, { cwd: directory });
    assert.equal(code, 0, stderr);
    const zone = { name: 'example.com', text: stdout.toString(), signing: 'good' } as const;
    names = await startNameServer([zone], { host: address, port: 53 });
    await writeFile(at('resolv.conf'), `nameserver ${address}\n`);
    await writeFile(at('main.cf'), 'compatibility_level = 3.6\nsmtp_dns_support_level = dnssec\n');
    await writeFile(at('master.cf'), '');
  });
  after(async () => {
    await names?.stop();
    await rm(directory, { recursive: true, force: true });
  });

  /** Lets Postfix go to the MX of the domain, where a server has this certificate. */
  async function visited(name: string): Promise<string> {
    const [cert, key] = [await readFile(at(`${name}.pem`)), await readFile(at(`${name}.key`))];
    const server = new SMTPServer({ cert, key, disabledCommands: ['AUTH'], logger: false });
    server.on('error', () => undefined);
    await once(server.listen(25, address), 'listening');
    try {
      const script = `mount --bind "$1/resolv.conf" "$(realpath /etc/resolv.conf)"
        exec posttls-finger -t 10 -T 10 -c -l dane -L summary example.com`;
      const args = ['--mount', '--propagation', 'private', 'sh', '-euc', script, 'sh', directory];
      const env = { MAIL_CONFIG: directory };
      const { stdout, stderr } = await run('unshare', args, { env });
      return `${stdout}${stderr}`;
    } finally {
      await new Promise<void>((resolve) => server.close(resolve));
    }
  }

  for (const name of ['rsa', 'ec'])
    test(`the ${name} key is verified by its TLSA`, async () => {
      assert.match(await visited(name), /Verified TLS connection established to mail\.example\.com\[127\./);
    });

  test('a key without a TLSA is not: no mail would come', async () => {
    const said = await visited('stranger');
    assert.doesNotMatch(said, /Verified/);
    assert.match(said, /Untrusted TLS connection established|not verified/i);
  });
});
