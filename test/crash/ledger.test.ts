// The ledger of the crash tests finds every kind of breach.

import assert from 'node:assert/strict';
import { copyFile, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { load } from './load.ts';
import { CrashSite } from './site.ts';

type Damage = (path: string) => Promise<unknown>;

const DAMAGES: readonly [what: string, damage: Damage, complaint: RegExp][] = [
  ['nothing', async () => undefined, /^$/],
  ['a message that was lost', (path) => rm(path), /was acknowledged and is lost$/],
  [
    'a message that is there twice',
    (path) => copyFile(path, path.replace(/R(?=[^R]*$)/, 'S')),
    /is there twice$/,
  ],
  ['a file cut short', (path) => truncate(path, 1000), /has 1000 bytes$/],
  ['a file with other bytes in it', changeOneByte, /new\/[^:]+: /],
];

async function changeOneByte(path: string): Promise<void> {
  const bytes = await readFile(path);
  const at = bytes.indexOf('\n\n', bytes.indexOf('BEGIN PGP MESSAGE')) + 500;
  bytes[at] = bytes[at] === 0x41 ? 0x42 : 0x41;
  await writeFile(path, bytes);
}

for (const [what, damage, complaint] of DAMAGES) {
  test(`the ledger reports ${what}`, async () => {
    const site = await CrashSite.open();
    const server = await site.serveHere();
    try {
      const mailboxes = await site.mailboxesFor('ledger');
      await load(site, { mailboxes, seed: 'ledger', connections: 1, messages: 1 });
      const [domain = ''] = await readdir(join(site.directory, 'mail'));
      const [local = ''] = await readdir(join(site.directory, 'mail', domain));
      const folder = join(site.directory, 'mail', domain, local, 'new');
      const [name = ''] = await readdir(folder);
      await damage(join(folder, name));
      assert.match((await site.ledger.check(mailboxes)).join('\n').split('\n').at(0) ?? '', complaint);
    } finally {
      await server.stop(0);
      await site.close();
    }
  });
}
