// `sealdir migrate` beside a real Dovecot, its clients and deliveries: before and after, they see the same
// messages.

import assert from 'node:assert/strict';
import { mkdir, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { CLI } from '../support/child.ts';
import { Dice } from '../support/dice.ts';
import { type Dovecot, type DovecotVersion, needsDovecot, startDovecotImap } from '../support/dovecot.ts';
import { openGnupgHome } from '../support/gnupghome.ts';
import { deliver, openSession } from '../support/lmtp.ts';
import { isLong, testLong } from '../support/long.ts';
import { readWithNeoMutt } from '../support/mailreaders.ts';
import { needs } from '../support/peers.ts';
import { type Ran, type Running, run, start } from '../support/process.ts';
import { connectImap } from '../support/rawimap.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import {
  complaints,
  connectClient,
  fill,
  fillMaildir,
  sampleMessages,
  snapshotOf,
} from '../support/storedmail.ts';
import { makeKey, readSealed, type TestKey } from '../support/testkeys.ts';

const ALICE = 'alice@example.com';
const BOB = 'bob@example.com';
const CAROL = 'carol@example.com';
const DAVE = 'dave@example.com';
const ERIN = 'erin@example.com';
const FOLDERS = ['INBOX', 'Sent', 'Drafts', 'Lists/sealdir', 'Entwürfe'];
/** SEALDIR_MESSAGES=10000 is run by name: it takes minutes, and many beside other tests. */
const MESSAGES = Number(process.env.SEALDIR_MESSAGES ?? (isLong ? 1000 : 100));
const MOST_STEPS = isLong ? 1000 : 300;
const MOST_MS = isLong ? 1_800_000 : 480_000;
/** SEALDIR_KILLS=100 is run by name: how much of them meets a run at work depends on the machine. */
const MOST_KILLS = Number(process.env.SEALDIR_KILLS ?? 0);
const testKills = MOST_KILLS > 0 ? test : () => undefined;

const SEPARATOR = 'namespace inbox {\n  inbox = yes\n  separator = /\n}\n';
const NEWER_INDEX = (directory: string) =>
  `mail_index_path = ${directory}/indexes/%{user | domain}/%{user | username}\n`;

await suite('beside the messages', '2.3');
await suite('elsewhere', '2.3');
if (isLong) await suite('elsewhere', '2.4');

async function suite(indexes: 'beside the messages' | 'elsewhere', version: DovecotVersion): Promise<void> {
  describe(`sealdir migrate beside Dovecot ${version} with indexes ${indexes}`, {
    ...(await needsDovecot(version)),
    timeout: MOST_MS,
  }, () => {
    const isUsual = indexes === 'beside the messages' && version === '2.3';
    const isBeside = indexes === 'beside the messages';
    const count = isUsual ? MESSAGES : 100;
    let directory = '';
    let dovecot: Dovecot;
    let server: Running;
    let key: TestKey;
    const migrate = (...args: string[]): Promise<Ran> =>
      run(
        process.execPath,
        [CLI, 'migrate', '-c', join(directory, 'sealdir.toml'), ...whereIndexes(), ...args],
        {
          timeoutMs: MOST_MS,
        },
      );

    const whereIndexes = () => (isBeside ? [] : ['--index', join(directory, 'indexes/{domain}/{local}')]);

    before(async () => {
      key = await makeKey(ALICE);
      directory = await makeSite(
        Object.fromEntries([ALICE, BOB, DAVE, ERIN].map((each) => [each, key.certificate])),
      );
      await writeFile(join(directory, 'sealdir.toml'), tomlFor(directory));
      for (const name of ['state', 'keystate', 'indexes'])
        await mkdir(join(directory, name), { mode: 0o700 });
      dovecot = await startDovecotImap({
        dir: directory,
        version,
        maildir: `${directory}/mail/%d/%n${isBeside ? '' : `:INDEX=${directory}/indexes/%d/%n`}`,
        more: `${SEPARATOR}${version === '2.4' ? NEWER_INDEX(directory) : ''}`,
      });
      await dovecot.adopt(directory); // both servers run as one user
      const { uid, gid } = await stat(join(directory, 'mail'));
      server = await start(process.execPath, [CLI, 'serve', '-c', join(directory, 'sealdir.toml')], {
        uid,
        gid,
        ready: (output) => output.includes('"msg":"listening"'),
      });
    });
    after(async () => {
      await server?.stop();
      await dovecot?.stop();
      await rm(directory, { recursive: true });
    });

    test('UIDs, flags, dates and folders stay, and each message opens to the very bytes', async () => {
      const client = await connectClient(dovecot.port, ALICE);
      const messages = sampleMessages(count);
      await fill(client, FOLDERS, messages.slice(0, 100));
      await fillMaildir(join(directory, 'mail/example.com/alice'), FOLDERS, messages.slice(100));
      await dovecot.adopt(join(directory, 'mail'));
      // a client that knows all about the messages, and asks nobody before it uses that
      const watching = await connectImap(dovecot.port, MOST_MS);
      await watching.login(ALICE, 'pass');
      const inInbox = await watching.select('INBOX');
      const known = 'ENVELOPE BODYSTRUCTURE RFC822.SIZE BODY.PEEK[1]';
      await watching.command(`FETCH 1:* (${known})`);
      await watching.command('STATUS Sent (MESSAGES SIZE)');
      const was = await snapshotOf(client, FOLDERS);
      // one that waits for news, of which there are none
      const idle = await connectClient(dovecot.port, ALICE);
      await idle.mailboxOpen('INBOX');
      const news: unknown[] = [];
      for (const event of ['exists', 'expunge', 'flags'] as const) idle.on(event, (each) => news.push(each));
      void idle.idle();

      const { code, stdout, stderr } = await migrate('--mailbox', ALICE, ...(isLong ? ['--limit', '0'] : []));
      assert.equal(code, 0, stderr);
      assert.match(stdout.toString(), new RegExp(`sealed ${count}, failed 0`));

      const structures = await watching.command(`FETCH 1:* (${known})`);
      const isEncrypted = ({ text }: { text: string }) => /BODYSTRUCTURE .*"pgp-encrypted"/.test(text);
      assert.equal(structures.filter(isEncrypted).length, inInbox);
      const [total] = await watching.command('STATUS Sent (MESSAGES SIZE)');
      await watching.logout();
      const is = await snapshotOf(client, FOLDERS);
      await client.logout();
      await idle.noop();
      await idle.logout();
      assert.deepEqual(news, []);
      const sizes = [...(is.get('Sent')?.values() ?? [])].reduce((sum, { source }) => sum + source.length, 0);
      assert.match(total?.text ?? '', new RegExp(`SIZE ${sizes}\\)`));
      for (const [folder, messages] of was) {
        const now = is.get(folder);
        assert.deepEqual([...(now?.keys() ?? [])], [...messages.keys()], folder);
        for (const [uid, { flags, date, source }] of messages) {
          const found = now?.get(uid);
          assert.ok(found !== undefined);
          assert.deepEqual([found.flags, found.date], [flags, date], `${folder} ${uid}`);
          assert.ok((await readSealed(found.source, key)).equals(source), `${folder} ${uid}`);
        }
      }
      assert.deepEqual(complaints(dovecot.log()), []);
      const again = await migrate('--mailbox', ALICE);
      assert.equal(again.code, 0);
      assert.match(again.stdout.toString(), new RegExp(`sealed 0, left ${count} \\(sealed already\\)`));
    });

    if (!isUsual) return;

    testLong('what clients do meanwhile holds, and mail that comes meanwhile is there once', async () => {
      const without = await connectClient(dovecot.port, CAROL);
      await without.append('INBOX', numbered('hers'));
      await without.logout();
      const client = await connectClient(dovecot.port, BOB);
      await client.mailboxCreate('Moved');
      const numbers = Array.from({ length: isLong ? 200 : 60 }, (_, n) => `${n}`);
      await fill(
        client,
        ['INBOX'],
        numbers.map((n) => numbered(n)),
      );
      await client.mailboxOpen('INBOX');
      const dice = new Dice('migrate');
      const expected = new Map(numbers.map((n) => [n, 'INBOX']));
      const flagged = new Set<string>();
      const migrating = migrate('--all', '--limit', isLong ? '60KB' : '30KB');
      let isOver = false;
      void migrating.finally(() => {
        isOver = true;
      });
      for (let step = 0; !isOver && step < MOST_STEPS; step++) {
        const n = numbers[dice.below(numbers.length)] ?? '0';
        const [uid] = (await client.search({ header: { 'X-Number': n } }, { uid: true })) || [];
        const what = ['flag', 'move', 'delete', 'append', 'deliver'][step % 5];
        const fresh = `new${step}`;
        if (what === 'append') await client.append('INBOX', numbered(fresh));
        else if (what === 'deliver') await deliverTo(BOB, numbered(fresh));
        if (what === 'append' || what === 'deliver') expected.set(fresh, 'INBOX');
        if (uid === undefined || expected.get(n) !== 'INBOX') continue;
        if (what === 'flag' && (await client.messageFlagsAdd(`${uid}`, ['\\Flagged'], { uid: true })))
          flagged.add(n);
        if (what === 'move' && (await client.messageMove(`${uid}`, 'Moved', { uid: true })))
          expected.set(n, 'Moved');
        if (what === 'delete' && (await client.messageDelete(`${uid}`, { uid: true }))) expected.delete(n);
      }
      const { code, stderr } = await migrating;
      assert.equal(code, 65, 'Carol has no key');
      assert.match(stderr, /carol is left alone: nobody here has the address carol@example\.com/);
      const carol = await connectClient(dovecot.port, CAROL);
      const [hers] = [...((await snapshotOf(carol, ['INBOX'])).get('INBOX')?.values() ?? [])];
      assert.ok(hers?.source.equals(numbered('hers')));
      await carol.logout();
      const last = await migrate('--mailbox', BOB);
      assert.equal(last.code, 0, last.stderr);
      const found = new Map<string, string>();
      for (const [folder, messages] of await snapshotOf(client, ['INBOX', 'Moved']))
        for (const { source, flags } of messages.values()) {
          const opened = String(await readSealed(source, key));
          const n = /^X-Number: (\S+)/m.exec(opened)?.[1] ?? '';
          assert.ok(!found.has(n), `${n} is there twice`);
          found.set(n, folder);
          assert.ok(opened.endsWith(String(numbered(n))), n);
          if (flagged.has(n)) assert.ok(flags.includes('\\Flagged'), n);
        }
      await client.logout();
      const isElsewhere = ([n, folder]: [string, string]) => found.get(n) !== folder;
      assert.deepEqual([...expected].filter(isElsewhere), [], 'nothing is lost');
      assert.equal(found.size, expected.size, 'nothing has come back');
      assert.deepEqual(complaints(dovecot.log()), []);
    });

    test(
      'mbsync has nothing to do afterwards, and NeoMutt opens all',
      needs('mbsync', 'neomutt', 'script', 'gpg'),
      async () => {
        const client = await connectClient(dovecot.port, DAVE);
        await fill(
          client,
          ['INBOX', 'Sent'],
          Array.from({ length: 10 }, (_, n) => numbered(`${n}`)),
        );
        await client.logout();
        const home = await openGnupgHome();
        try {
          await home.gpg(['--import'], key.secretKey);
          const first = await synchronise('first');
          const { code, stderr } = await migrate('--mailbox', DAVE);
          assert.equal(code, 0, stderr);
          assert.deepEqual(await synchronise('first'), first, 'nothing is pulled again');
          const names = (await synchronise('second')).map((name) => name.replace(/.*,(U=\d+.*)/, '$1'));
          assert.deepEqual(names.sort(), first.map((name) => name.replace(/.*,(U=\d+.*)/, '$1')).sort());
          const texts = await readWithNeoMutt(join(directory, 'second/INBOX'), home.path);
          assert.deepEqual(texts.map((text) => /Text of (\d)\./.exec(text)?.[1]).sort(), [
            '0',
            '2',
            '4',
            '6',
            '8',
          ]);
        } finally {
          await home.close();
        }
      },
    );

    testKills(
      'killed at any moment while mail is moved and delivered, each message is there once',
      async () => {
        const client = await connectClient(dovecot.port, ERIN);
        await client.mailboxCreate('Moved');
        const numbers = Array.from({ length: MOST_KILLS * 10 }, (_, n) => `${n}`);
        const wires = numbers.map((n) => numbered(n));
        await fillMaildir(join(directory, 'mail/example.com/erin'), ['INBOX'], wires);
        await dovecot.adopt(join(directory, 'mail'));
        await client.mailboxOpen('INBOX');
        const dice = new Dice('killed');
        const args = ['migrate', '-c', join(directory, 'sealdir.toml'), '--mailbox', ERIN, '--limit', '20KB'];
        const staging = ['tmp', '.Moved/tmp'].map((name) => join(directory, 'mail/example.com/erin', name));
        const staged = async () => (await Promise.all(staging.map((path) => readdir(path)))).flat();
        let isOver = false;
        const others = async () => {
          for (let n = 0; !isOver; n++) {
            const searched = `${dice.below(MOST_KILLS * 10)}`;
            const [uid] = (await client.search({ header: { 'X-Number': searched } }, { uid: true })) || [];
            if (uid !== undefined) await client.messageMove(`${uid}`, 'Moved', { uid: true });
            await deliverTo(ERIN, numbered(`fresh${n}`));
            numbers.push(`fresh${n}`);
            await pause(100);
          }
        };
        const working = others();
        let kills = 0;
        while (kills < MOST_KILLS) {
          const running = await start(process.execPath, [CLI, ...args], {
            // what others left or deliver is there, too
            ready: async (_, pid) => (await staged()).some((name) => name.includes(`P${pid}Q`)),
          }).catch(() => undefined);
          if (running === undefined) break; // all is sealed
          // messages are put in place half a second after the first is staged, and then again
          await pause(dice.below(1200));
          process.kill(running.pid, 'SIGKILL');
          await running.stop();
          kills += 1;
        }
        isOver = true;
        await working;
        const last = await migrate('--mailbox', ERIN, '--limit', '0');
        assert.equal(last.code, 0, last.stderr);
        const whileKilled = dovecot.log();
        const atLast = Number(/sealed (\d+), left/.exec(last.stdout.toString())?.[1]);
        assert.ok(
          kills >= 10 && atLast < MOST_KILLS * 10,
          `${kills} kills met a run at work: ${last.stdout}`,
        );
        const found: string[] = [];
        for (const messages of (await snapshotOf(client, ['INBOX', 'Moved'])).values())
          for (const { source } of messages.values()) {
            const opened = String(await readSealed(source, key));
            const n = /^X-Number: (\S+)/m.exec(opened)?.[1] ?? '';
            assert.ok(opened.endsWith(String(numbered(n))), n);
            found.push(n);
          }
        await client.logout();
        assert.deepEqual(found.sort(), numbers.sort());
        // between two renames, or before the index is told, a kill leaves sizes that do not fit until the
        // next run
        const ofSizes = /corrupted cache|Broken physical size|Cached message size/;
        assert.deepEqual(
          complaints(whileKilled).filter((line) => !ofSizes.test(line)),
          [],
        );
        assert.deepEqual(complaints(dovecot.log().slice(whileKilled.length)), []);
      },
    );

    /** Pulls Dave's mail with mbsync, and lists what it has then. */
    async function synchronise(name: string): Promise<string[]> {
      const at = join(directory, name);
      await mkdir(at, { recursive: true });
      const lines = [
        `IMAPAccount x\nHost 127.0.0.1\nPort ${dovecot.port}\nUser ${DAVE}\nPass pass\nSSLType None\nAuthMechs LOGIN\n`,
        'IMAPStore far\nAccount x\n',
        `MaildirStore near\nPath ${at}/\nInbox ${at}/INBOX\n`,
        'Channel all\nFar :far:\nNear :near:\nPatterns *\nCreate Near\nSyncState *\nExpunge Both\n',
      ];
      await writeFile(join(at, 'mbsyncrc'), lines.join('\n'), { mode: 0o600 });
      const { code, stderr } = await run('mbsync', ['-c', join(at, 'mbsyncrc'), 'all'], {
        env: { HOME: at },
      });
      assert.equal(code, 0, stderr);
      const names: string[] = [];
      for (const folder of ['INBOX', 'Sent'])
        for (const part of ['new', 'cur']) names.push(...(await readdir(join(at, folder, part))));
      return names.sort();
    }

    async function deliverTo(address: string, message: Buffer): Promise<void> {
      const session = await openSession(join(directory, 'lmtp.sock'));
      const { final } = await deliver(session, { to: [address], message });
      assert.match(final.join(), /^250 /);
      await session.vanish();
    }

    function numbered(n: string): Buffer {
      return Buffer.from(`From: a@example.com\r\nX-Number: ${n}\r\n\r\n${`Text of ${n}.\r\n`.repeat(100)}`);
    }
  });
}
