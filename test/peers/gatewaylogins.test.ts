// Logins at Dovecot's own port, and by Dovecot at Postfix, that ask the gateway: with the files of
// config/dovecot no program but the gateway has anything to compare a password with.

import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { placeOf } from '../../src/custody/place.ts';
import { dovecotLine } from '../../src/custody/upstream.ts';
import { textOf } from '../../src/custody/wrappedfile.ts';
import { readTransferableKey } from '../../src/keys/transferable.ts';
import { CLI } from '../support/child.ts';
import {
  DOVECOT_VERSIONS,
  type Dovecot,
  type DovecotVersion,
  needsDovecot,
  startDovecotImap,
} from '../support/dovecot.ts';
import { connectImap, select } from '../support/imapclient.ts';
import { shipped } from '../support/mailhost.ts';
import { freePort } from '../support/port.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { type Running, start } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { submit } from '../support/submit.ts';
import { makeKey } from '../support/testkeys.ts';
import { type Enrolled, enrolled } from '../support/wrapped.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const MESSAGE = Buffer.from('Subject: x\r\n\r\nbody-canary\r\n');

interface Site {
  readonly dir: string;
  readonly dovecot: Dovecot;
  readonly postfix: Postfix;
  readonly gateway: Running;
  /** Where the gateway takes IMAP, and where Dovecot takes it from the gateway. */
  readonly ports: { readonly gateway: number; readonly behind: number };
  readonly secrets: Enrolled['secrets'];
  stop(): Promise<void>;
}

async function makeLogins(version: DovecotVersion): Promise<Site> {
  const key = await makeKey(ALICE);
  const dir = await makeSite({ [ALICE]: key.certificate });
  const { secretKey, fingerprint } = await readTransferableKey(
    Buffer.from(key.secretKey),
    async () => undefined,
  );
  const { file, secrets } = await enrolled(ALICE, fingerprint, secretKey);
  for (const name of ['mail/example.com', 'gateway']) await mkdir(join(dir, name), { recursive: true });
  await writeFile(placeOf(join(dir, 'gateway'), ALICE).path, textOf(file));
  const ports = { gateway: await freePort(), behind: await freePort() };
  await writeFile(join(dir, 'sealdir-gateway.passwd'), `${dovecotLine(file)}\n`);
  await writeFile(join(dir, 'sealdir-gateway.ports'), `${ports.behind}:::::::nopassword\n`);
  await writeFile(join(dir, 'users'), `${BOB}:{PLAIN}bobs-password\n${ALICE}::::::\n`);
  const dovecot = await startDovecotImap({ dir, version, more: dovecotConf(dir, version, ports) });
  await dovecot.adopt(join(dir, 'mail'));
  const config = join(dir, 'gateway.toml');
  await writeFile(
    config,
    `${tomlFor(dir)}
[gateway]
directory = ${JSON.stringify(join(dir, 'gateway'))}
cache_directory = ""
listen = ["127.0.0.1:${ports.gateway}"]
upstream = "127.0.0.1:${ports.behind}"
without_key = "seal"
`,
  );
  const gateway = await start(process.execPath, [CLI, 'gateway', '-c', config], {
    ready: (output) => output.includes('"msg":"gateway listening"'),
  });
  const postfix = await startPostfix({
    dir,
    transport: 'discard:',
    domains: ['example.com'],
    settings: {
      smtpd_sasl_auth_enable: 'yes',
      smtpd_sasl_type: 'dovecot',
      smtpd_sasl_path: join(dir, 'dovecot/run/sasl'),
      smtpd_relay_restrictions: 'permit_sasl_authenticated, reject',
    },
  });
  return {
    ...{ dir, dovecot, postfix, gateway, ports, secrets },
    async stop() {
      await postfix.stop();
      await gateway.stop();
      await dovecot.stop();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** The shipped files, with paths and ports of the test, around a list of users who have not enrolled. */
function dovecotConf(dir: string, version: DovecotVersion, ports: Site['ports']): string {
  const suffix = version === '2.3' ? '' : '-2.4';
  const file = (name: string) =>
    shipped(`dovecot/${name}${suffix}.conf`)
      .replaceAll('/etc/dovecot/', `${dir}/`)
      .replaceAll(/\b1143\b/g, `${ports.behind}`)
      .replaceAll(/\b1144\b/g, `${ports.gateway}`);
  const id = { uid: 'nobody', gid: 'nogroup', home: `${dir}/dovecot/home` };
  const users =
    version === '2.3'
      ? `passdb {
  driver = passwd-file
  args = ${dir}/users
}
userdb {
  driver = static
  args = uid=${id.uid} gid=${id.gid} home=${id.home}/%u
}`
      : `passdb users {
  driver = passwd-file
  passwd_file_path = ${dir}/users
}
userdb static {
  fields {
    uid = ${id.uid}
    gid = ${id.gid}
    home = ${id.home}/%{user}
  }
}`;
  return `${file('gateway')}
${users}
${file('logins')}
service auth {
  unix_listener sasl {
    mode = 0666
  }
}
${version === '2.3' ? 'disable_plaintext_auth = no' : 'auth_allow_cleartext = yes'}
auth_failure_delay = 0
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
`;
}

for (const version of DOVECOT_VERSIONS)
  describe(`logins at Dovecot ${version} that ask the gateway`, {
    ...(await needsDovecot(version, 'postfix', 'root')),
    timeout: 240_000,
  }, () => {
    let site: Site;
    before(async () => {
      site = await makeLogins(version);
    });
    after(() => site?.stop());

    const refused = () => site.gateway.output().split('"msg":"gateway login refused"').length - 1;
    const send = (user: string, password: string) => {
      const plain = Buffer.from(`\0${user}\0${password}`).toString('base64');
      return submit(site.postfix.port, {
        from: user,
        to: ['somebody@example.org'],
        message: MESSAGE,
        before: [`AUTH PLAIN ${plain}`],
      });
    };

    test("a password that is in the wrapped file alone opens Dovecot's own port, where mail is as it is stored", async () => {
      const through = await connectImap(site.ports.gateway, ALICE, site.secrets.password);
      await through.append('INBOX', MESSAGE);
      await through.logout();
      for (const secret of [site.secrets.password, site.secrets.device]) {
        const imap = await connectImap(site.dovecot.port, ALICE, secret);
        assert.equal(await select(imap, 'INBOX'), 1);
        const { source } = (await imap.fetchOne('1', { source: true })) || {};
        assert.match(source?.toString() ?? '', /multipart\/encrypted/);
        await imap.logout();
      }
    });

    test('and Postfix takes mail with it', async () => {
      assert.match(await send(ALICE, site.secrets.device), /^250/);
      await assert.rejects(send(ALICE, 'wrong'), /535 5\.7\.8/);
    });

    test('no file of Dovecot has a hash of it', async () => {
      const texts = await Promise.all(
        ['sealdir-gateway.passwd', 'sealdir-gateway.ports', 'users'].map((name) =>
          readFile(join(site.dir, name), 'utf8'),
        ),
      );
      assert.deepEqual(
        texts.map((text) => text.match(/^alice.*$/m)?.[0].replace(/[\w+/=]+$/, 'HASH')),
        [`${ALICE}:{SHA256}HASH`, undefined, `${ALICE}::::::`], // the last as check leaves it
      );
    });

    test('whoever has not enrolled logs in as before, and the gateway is not asked', async () => {
      const count = refused();
      const imap = await connectImap(site.dovecot.port, BOB, 'bobs-password');
      await imap.logout();
      assert.match(await send(BOB, 'bobs-password'), /^250/);
      assert.equal(refused(), count);
    });

    test("at the gateway's port behind, no password of a user counts, and the gateway is not asked", async () => {
      const count = refused();
      for (const secret of [site.secrets.password, site.secrets.recovery, 'wrong'])
        await assert.rejects(connectImap(site.ports.behind, ALICE, secret), {
          serverResponseCode: 'AUTHENTICATIONFAILED',
        });
      assert.equal(refused(), count);
      // with gateway.without_key = "seal" the gateway asks there who bob is, which must not come back to it
      await assert.rejects(connectImap(site.ports.gateway, BOB, 'wrong'));
      const imap = await connectImap(site.ports.gateway, BOB, 'bobs-password');
      await imap.logout();
    });

    test('Dovecot calls a wrong password, and a gateway that is gone, a temporary failure', async () => {
      const count = refused();
      const wrong = { serverResponseCode: 'UNAVAILABLE' };
      await assert.rejects(connectImap(site.dovecot.port, ALICE, 'wrong'), wrong);
      assert.equal(refused(), count + 1);
      await site.gateway.stop();
      await assert.rejects(connectImap(site.dovecot.port, ALICE, site.secrets.device), wrong);
      await assert.rejects(send(ALICE, site.secrets.device), /535 5\.7\.8/, 'Postfix tells no difference');
      const imap = await connectImap(site.dovecot.port, BOB, 'bobs-password');
      await imap.logout();
      assert.deepEqual(await readdir(join(site.dir, 'gateway')).then((names) => names.length), 1);
    });
  });
