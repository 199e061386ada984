// A real Postfix that asks Sealdir who exists: what counts is what is so now, not what was so a while ago.

import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { ChildServer } from '../support/child.ts';
import { startChild } from '../support/child.ts';
import { needs } from '../support/peers.ts';
import { type Postfix, startPostfix } from '../support/postfix.ts';
import { submit } from '../support/submit.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';
import { until } from '../support/until.ts';

const MESSAGE = Buffer.from('Subject: x\r\n\r\nx\r\n');

describe(
  'Postfix with the maps of Sealdir, in the chroot of Debian',
  needs('postfix', 'postconf', 'root'),
  () => {
    let sealdir: ChildServer;
    let postfix: Postfix;
    let key: TestKey;
    const keyFile = (address: string) => join(sealdir.directory, 'keys', `${address}.asc`);
    const send = (to: string) => submit(postfix.port, { from: 'me@example.org', to: [to], message: MESSAGE });

    before(async () => {
      key = await makeKey('alice@example.com');
      sealdir = await startChild({
        keys: { 'alice@example.com': key.certificate },
        toml: { recipients: 'map_listen = "DIR/map.sock"\ndelimiter = "+-"' },
      });
      const map = `proxy:socketmap:unix:${join(sealdir.directory, 'map.sock')}`;
      const lmtp = `lmtp:inet:127.0.0.1:${sealdir.port}`;
      postfix = await startPostfix({
        dir: sealdir.directory,
        transport: 'discard:', // only what the second map has comes to Sealdir
        domains: ['example.com'],
        isChrooted: true,
        settings: {
          virtual_mailbox_maps: `${map}:recipients`,
          transport_maps: `pipemap:{${map}:enrolled,static:${lmtp}}`,
          proxy_read_maps: `${map}:recipients ${map}:enrolled`,
          smtpd_recipient_restrictions: 'reject_unlisted_recipient, permit_mynetworks, reject',
          smtpd_reject_unlisted_recipient: 'yes',
        },
      });
    });
    after(async () => {
      await postfix?.stop();
      await sealdir?.stop();
    });

    test('a key added is accepted with the next mail, one removed refused with the next', async () => {
      await send('alice@example.com');
      await send('Alice+list@Example.com');
      await assert.rejects(send('bob@example.com'), /550 5\.1\.1/);
      await writeFile(keyFile('bob@example.com'), key.certificate);
      await send('bob@example.com');
      await rm(keyFile('bob@example.com'));
      // what a delivery found a second ago still counts for it
      await until('it is refused', () =>
        send('bob@example.com').then(
          () => false,
          () => true,
        ),
      );
      await writeFile(keyFile('@example.com'), key.certificate);
      await send('anybody@example.com');
      await rm(keyFile('@example.com'));
    });

    test('mail for somebody whose key is damaged waits for Sealdir, and goes nowhere else', async () => {
      await writeFile(keyFile('carol@example.com'), 'half a key');
      await send('carol@example.com');
      await until('it is deferred', async () =>
        (await postfix.queue()).some((line) => /carol.*4\.7\.5/.test(line)),
      );
      await rm(keyFile('carol@example.com'));
    });

    test('while Sealdir cannot be asked, mail waits and is not refused', async () => {
      process.kill(sealdir.process.pid, 'SIGSTOP');
      const asked = send('alice@example.com').catch((error: Error) => error.message);
      process.kill(sealdir.process.pid, 'SIGCONT');
      assert.match(String(await asked), /^250|unexpected reply: 4/);
    });
  },
);
