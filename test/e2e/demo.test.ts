// A newcomer's first minute: `npm start` without any configuration, then the commands that it prints.

import assert from 'node:assert/strict';
import { mkdtemp, readdir, rm, stat, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLI } from '../support/child.ts';
import { hasProgram } from '../support/peers.ts';
import { accepts } from '../support/port.ts';
import { run, start } from '../support/process.ts';
import { repositoryRoot } from '../support/shared.ts';

test('what the first start prints can be followed to the letter', {
  skip: !hasProgram('bash') && 'left out: needs bash',
  timeout: 240_000,
}, async (t) => {
  // The demo has fixed ports. If another program uses them, the test cannot run.
  if ((await accepts(2424)) || (await accepts(9464))) return t.skip('left out: port 2424 or 9464 is in use');
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  await symlink(join(repositoryRoot(), 'dist'), join(directory, 'dist'));
  const ready = (output: string) => output.includes('Stop with Ctrl-C');
  const serve = () => start(process.execPath, [CLI, 'serve'], { cwd: directory, ready });
  let server = await serve();
  try {
    const text = server.output();
    const commands = text.split('\n').filter((line) => /^ {2}(cat |node |\(exec )/.test(line));
    const [show = '', open = '', send = '', openNewest = ''] = commands;
    const shell = (command: string) => run('bash', ['-c', command], { cwd: directory });
    assert.match((await shell(show)).stdout.toString(), /-----BEGIN PGP MESSAGE-----/);
    assert.match((await shell(open)).stdout.toString(), /Nobody but the holder of your secret key/);
    assert.match((await shell(send)).stdout.toString(), /^250 2\.0\.0 Sealed /m);
    assert.match((await shell(openNewest)).stdout.toString(), /Hello, it is me\./);
    const deliver = [CLI, 'deliver', 'demo@localhost'];
    const delivered = await run(process.execPath, deliver, {
      cwd: directory,
      stdin: 'Subject: third\n\nx\n',
    });
    assert.deepEqual([delivered.code, delivered.stderr], [0, '']);
    const [url = ''] = /http:\S+/.exec(text) ?? [];
    assert.match(await (await fetch(url)).text(), /sealdir_delivery_seconds_count 3/);
    assert.equal((await stat(join(directory, 'var/demo-secret.asc'))).mode & 0o777, 0o600);
    assert.equal(await server.stop(), 0);
    server = await serve();
    assert.equal(
      (await readdir(join(directory, 'var/mail/localhost/demo/new'))).length,
      3,
      'one sample only',
    );
    server.signal('SIGHUP');
    assert.equal(await server.ended, 0, 'a demo ends with its terminal');
  } finally {
    await server.stop();
    await rm(directory, { recursive: true, force: true });
  }
});
