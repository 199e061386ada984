// `sealdir key` and `open` at a real terminal (tmux): prompts without echo, a bar that goes away, and Ctrl-C,
// after which nothing is half done and the terminal is as it was.

import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, before, beforeEach, describe, test } from 'node:test';
import { CLI } from '../support/child.ts';
import { shortOf, testLong } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { childPids } from '../support/proc.ts';
import { run } from '../support/process.ts';
import { makeSite, tomlFor } from '../support/sealdir.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';
import { makeKey, type TestKey } from '../support/testkeys.ts';

const ADDRESS = 'alice@example.com';
const PASSPHRASE = 'canary-horse-battery';
const SEALDIR = `'${process.execPath}' '${CLI}'`;
const MESSAGE = 'Subject: x\r\n\r\nhello\r\n';
const INTERRUPTIONS = [
  ['Ctrl-C', ['C-c'], 130],
  ['Ctrl-D', ['C-d'], 130],
] as const;

describe('at a terminal', { ...needs('tmux'), timeout: 900_000 }, () => {
  let one: TestKey;
  let other: TestKey;
  let directory = '';
  let terminal: Terminal;

  before(async () => {
    [one, other] = await Promise.all([makeKey(ADDRESS), makeKey(ADDRESS)]);
  });
  beforeEach(async () => {
    directory = await makeSite({ [ADDRESS]: one.certificate });
    await mkdir(join(directory, 'keystate'), { mode: 0o700 });
    await writeFile(join(directory, 'sealdir.toml'), tomlFor(directory));
    await writeFile(join(directory, 'other.asc'), other.certificate);
    terminal = await openTerminal({ cwd: directory });
  });
  afterEach(async () => {
    await terminal.close();
    await rm(directory, { recursive: true, force: true });
  });

  const enter = async (text: string) => {
    await terminal.type(text);
    await terminal.press('Enter');
  };
  /** Runs a command on an empty screen, where nothing is taken for what an earlier one has said. */
  const afresh = async (command: string) => {
    await enter('clear');
    await terminal.shows(/^ready>\s*$/);
    await enter(command);
  };
  const keyFile = () => readFile(join(directory, 'keys', `${ADDRESS}.asc`), 'utf8');
  /** Asks the shell for the settings of the terminal: echo is on, lines are edited, Ctrl-C is a signal. */
  const isAsBefore = async () => {
    await enter('stty -a');
    await terminal.shows(/[^-]isig[\s\S]* icanon[\s\S]* echo /);
  };

  test('generate asks twice, shows nothing of the passphrase, and the key opens mail', async () => {
    await enter(`${SEALDIR} key generate --name 'Alice A' --output out ${ADDRESS}; echo code $?`);
    await terminal.shows(/Passphrase for the new key:$/m);
    await enter(`${PASSPHRASE}x`);
    await terminal.shows(/once more:$/m);
    await enter(PASSPHRASE);
    await terminal.shows(/the two passphrases differ: nothing was made\ncode 65/);
    assert.equal(existsSync(join(directory, 'out')), false);
    await afresh(`${SEALDIR} key generate --name 'Alice A' --output out ${ADDRESS}; echo code $?`);
    await terminal.shows(/Passphrase for the new key:$/m);
    await terminal.type(`wrong${PASSPHRASE}`);
    await terminal.press('C-u');
    await enter(`${PASSPHRASE}y`.replace(/y$/, ''));
    await terminal.shows(/once more:$/m);
    await terminal.type(`${PASSPHRASE}ü`);
    await terminal.press('BSpace');
    await terminal.press('Enter');
    const screen = await terminal.shows(/public key +out\/alice@example\.com\.asc.*\ncode 0/);
    assert.ok(!screen.includes('canary') && !screen.includes('*'), screen);
    await isAsBefore();
    const sealed = await run(process.execPath, [CLI, 'seal', '-k', join(directory, `out/${ADDRESS}.asc`)], {
      stdin: MESSAGE,
    });
    await writeFile(join(directory, 'sealed.eml'), sealed.stdout);
    // the message comes through a pipe, the passphrase from the terminal
    await afresh(`cat sealed.eml | ${SEALDIR} open -k out/${ADDRESS}.secret.asc > opened; echo code $?`);
    await terminal.shows(/Passphrase of out\/alice@example\.com\.secret\.asc:$/m);
    await enter(PASSPHRASE);
    assert.ok(!(await terminal.shows(/code 0/)).includes('canary'));
    assert.equal(await readFile(join(directory, 'opened'), 'utf8'), MESSAGE);
    await isAsBefore();
  });

  testLong(
    'sq asks for the passphrase of a key that was made here, and opens with it',
    needs('sq'),
    async () => {
      await writeFile(join(directory, 'pass'), PASSPHRASE);
      const made = ['key', 'generate', '--passphrase-file', 'pass', '--output', 'out', ADDRESS];
      assert.equal((await run(process.execPath, [CLI, ...made], { cwd: directory })).code, 0);
      const seal = [CLI, 'seal', '-k', join(directory, `out/${ADDRESS}.asc`)];
      const { stdout } = await run(process.execPath, seal, { stdin: MESSAGE });
      const [armor = ''] =
        /-----BEGIN PGP MESSAGE[\s\S]*END PGP MESSAGE-----\n/.exec(stdout.toString()) ?? [];
      await writeFile(join(directory, 'sealed.asc'), armor);
      await enter(`sq decrypt --recipient-key out/${ADDRESS}.secret.asc -o opened sealed.asc; echo code $?`);
      await terminal.shows(/password/i);
      await enter(PASSPHRASE);
      await terminal.shows(/code 0/);
      assert.equal(await readFile(join(directory, 'opened'), 'utf8'), MESSAGE);
    },
  );

  test('an empty passphrase is refused', async () => {
    await enter(`${SEALDIR} key generate ${ADDRESS}; echo code $?`);
    await terminal.shows(/Passphrase for the new key:$/m);
    await terminal.press('Enter');
    await terminal.shows(/the passphrase is empty: give one, or say --no-passphrase\ncode 65/);
  });

  for (const [how, keys, code] of shortOf(INTERRUPTIONS, 1))
    test(`${how} at a question leaves nothing half done, and the terminal as it was`, async () => {
      await enter(`${SEALDIR} key generate ${ADDRESS}; echo code $?`);
      await terminal.shows(/Passphrase for the new key:$/m);
      await terminal.press(...keys);
      await terminal.shows(new RegExp(`interrupted: nothing was done\ncode ${code}`));
      await isAsBefore();
      const before = await keyFile();
      await afresh(`${SEALDIR} key add -c sealdir.toml other.asc; echo code $?`);
      await terminal.shows(/Is that meant\? \(yes\/no\)$/m);
      await terminal.press(...keys);
      await terminal.shows(new RegExp(`code ${code}`));
      assert.equal(await keyFile(), before);
      await isAsBefore();
      assert.deepEqual(await readdir(join(directory, 'keys')), [`${ADDRESS}.asc`]);
      assert.deepEqual((await readdir(directory)).sort(), [
        'keys',
        'keystate',
        'mail',
        'other.asc',
        'sealdir.toml',
      ]);
    });

  test('a signal at a question gives the terminal back', async () => {
    await enter(`${SEALDIR} key generate ${ADDRESS}; echo code $?`);
    await terminal.shows(/Passphrase for the new key:$/m);
    const shell = await terminal.pid();
    const [asking] = childPids(Number(shell));
    assert.ok(asking !== undefined);
    process.kill(asking, 'SIGTERM');
    await terminal.shows(/code 143/);
    await isAsBefore();
  });

  test('another key is put in place only if the answer is yes', async () => {
    const before = await keyFile();
    await enter(`${SEALDIR} key add -c sealdir.toml other.asc; echo code $?`);
    const screen = await terminal.shows(/Is that meant\? \(yes\/no\)$/m);
    assert.equal(new Set(screen.match(/\b[0-9A-F]{40}\b/g)).size, 2, 'both fingerprints are shown');
    await enter('no');
    const answered = await terminal.shows(/\(yes\/no\) no\nsealdir: nothing was changed\ncode 65/);
    assert.equal(answered.match(/has another key/g)?.length, 1, answered);
    assert.equal(await keyFile(), before);
    await afresh(`${SEALDIR} key add -c sealdir.toml other.asc; echo code $?`);
    await terminal.shows(/Is that meant\? \(yes\/no\)$/m);
    await enter('yes');
    await terminal.shows(/is replaced by [\s\S]*code 0/);
    assert.notEqual(await keyFile(), before);
  });

  testLong(
    'a list of many keys draws a bar, which is gone in the end; so is a web key directory',
    async () => {
      for (let n = 0; n < 1000; n++)
        await writeFile(join(directory, 'keys', `user${n}@example.com.asc`), one.certificate);
      await enter(`${SEALDIR} key list -c sealdir.toml > list; echo code $?`);
      await terminal.shows(/\[#*-+\] \d+ of 1001 keys/);
      assert.ok(!(await terminal.shows(/code 0/)).includes('of 1001'));
      assert.equal((await readFile(join(directory, 'list'), 'utf8')).split('\n').length, 1001 + 2);
      await afresh(`${SEALDIR} key list -c sealdir.toml; echo code $?`);
      await terminal.shows(/\[#*-+\] \d+ of 1001 keys/);
      await terminal.press('C-c');
      assert.ok(!(await terminal.shows(/sealdir: interrupted\ncode 130/)).includes('of 1001'));
      const made = join(directory, 'made');
      await mkdir(made);
      for (let n = 0; n < 200; n++)
        await writeFile(
          join(made, `u${n}@example.com.asc`),
          (await makeKey(`u${n}@example.com`)).certificate,
        );
      const toml = tomlFor(directory).replace(join(directory, 'keys'), made);
      await writeFile(join(directory, 'made.toml'), toml);
      await afresh(`${SEALDIR} key export -c made.toml --wkd web; echo code $?`);
      await terminal.shows(/\[#*-+\] \d+ of 200 keys/);
      await terminal.press('C-c');
      await terminal.shows(/code 130/);
      const hu = join(directory, 'web/.well-known/openpgpkey/example.com/hu');
      const cut = readdirSync(hu);
      assert.ok(cut.length > 0 && cut.length < 200, `${cut.length}`);
      assert.deepEqual(
        cut.filter((name) => name.startsWith('.')),
        [],
      );
      await afresh(`${SEALDIR} key export -c made.toml --wkd web; echo code $?`);
      await terminal.shows(/200 addresses are in web, 0 were left out\ncode 0/);
      assert.equal(readdirSync(hu).length, 200);
      await rm(join(made, 'u7@example.com.asc'));
      await afresh(`${SEALDIR} key export -c made.toml --wkd web; echo code $?`);
      await terminal.shows(/199 addresses are in web, 0 were left out\ncode 0/);
      assert.equal(readdirSync(hu).length, 199);
    },
  );
});
