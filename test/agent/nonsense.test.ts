// What is at the socket of gpg-agent need not be one: whatever it says, `open --agent` ends with a sentence,
// and prints no message.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Assuan } from '../../src/agent/assuan.ts';
import { CLI } from '../support/child.ts';
import { shortOf } from '../support/long.ts';
import { needs } from '../support/peers.ts';
import { run } from '../support/process.ts';
import { makeKey } from '../support/testkeys.ts';

const CLOSE = 'close';

/** What it says to each command, and, under '', as its greeting. To all else it says OK. */
type Says = Readonly<Record<string, Uint8Array | string | { readonly forever: string }>>;

const value = (bytes: Uint8Array) =>
  Buffer.concat([
    Buffer.from('D '),
    escaped(Buffer.concat([Buffer.from(`(5:value${bytes.length}:`), bytes, Buffer.from(')')])),
    Buffer.from('\nOK\n'),
  ]);
const escaped = (bytes: Buffer) =>
  Buffer.from(
    bytes
      .toString('latin1')
      .replaceAll(/[%\r\n]/g, (each) => `%${each.charCodeAt(0).toString(16).padStart(2, '0')}`),
    'latin1',
  );

/** What it says, the exit code, and a part of the sentence. */
const CASES: readonly (readonly [string, Says, number, RegExp])[] = [
  ['nothing, and leaves', { '': CLOSE }, 75, /has closed the connection/],
  ['that it is busy', { '': 'ERR 1 busy\n' }, 75, /does not let us in: busy/],
  ['hello in another protocol', { '': '220 ready\r\n' }, 75, /does not speak its protocol/],
  ['random bytes', { '': randomBytes(4096) }, 75, /does not speak|has closed/],
  ['a line without an end', { '': { forever: 'O'.repeat(4096) } }, 75, /does not speak/],
  ['comments without an end', { '': { forever: '# well\n' } }, 75, /does not speak/],
  ['nothing more after its greeting', { OPTION: CLOSE, HAVEKEY: CLOSE }, 75, /closed/],
  ['that it has no key', { HAVEKEY: 'ERR 67108881 No secret key\n' }, 65, /does not have/],
  ['an error without a number', { HAVEKEY: 'ERR\n' }, 75, /does not speak/],
  ['an error with a huge number', { HAVEKEY: 'ERR 99999999999999999999 x\n' }, 75, /does not/],
  ['an answer to nothing', { SETKEY: 'OK\nOK\nOK\n' }, 75, /does not speak/],
  ['status lines without an end', { KEYINFO: { forever: 'S KEYINFO\n' } }, 75, /does not sp/],
  ['something odd about the key', { KEYINFO: 'S KEYINFO\nS\nOK\n' }, 75, /something else/],
  ['that there is nothing', { PKDECRYPT: 'OK\n' }, 75, /something else than a number/],
  ['data that is no number', { PKDECRYPT: 'D %zz%0\nOK\n' }, 75, /something else/],
  ['less than it counts', { PKDECRYPT: 'D (5:value99999:a)\nOK\n' }, 75, /something else/],
  ['more than it counts', { PKDECRYPT: 'D (5:value1:ab)\nOK\n' }, 75, /something else/],
  ['a number that is too short', { PKDECRYPT: value(randomBytes(3)) }, 65, /does not open it/],
  ['a number that is wrong', { PKDECRYPT: value(randomBytes(33)) }, 65, /does not open it/],
  ['a number that is too long', { PKDECRYPT: value(randomBytes(400)) }, 65, /does not open it/],
  ['numbers without an end', { PKDECRYPT: { forever: `D ${'a'.repeat(900)}\n` } }, 75, /does not/],
  ['that it wants a passphrase', { PKDECRYPT: 'INQUIRE PASSPHRASE\n' }, 75, /does not speak/],
  ['that it wants what there is in each object', { PKDECRYPT: 'INQUIRE constructor\n' }, 75, /does/],
  ['an end of data that nobody sends', { PKDECRYPT: 'END\n' }, 75, /does not speak/],
  [
    'commands for a terminal',
    { PKDECRYPT: 'ERR 1 \u001b[31mred\u009b\u202e <x>\n' },
    65,
    /\\u001b\[31mred\\u009b/,
  ],
  ['that a key is not usable', { SETKEY: 'ERR 67108881 No secret key <x>\n' }, 65, /not have/],
];

describe('a false gpg-agent', needs('gpgconf'), () => {
  let directory = '';
  let sealed: Buffer;
  const env = () => ({ GNUPGHOME: join(directory, 'g') });
  const sealdir = (args: readonly string[], stdin: Uint8Array) =>
    run(process.execPath, [CLI, ...args], { cwd: directory, stdin, env: env(), timeoutMs: 240_000 });

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'ag-'));
    const key = await makeKey('alice@example.com');
    await writeFile(join(directory, 'key.asc'), key.certificate);
    sealed = (await sealdir(['seal', '-k', 'key.asc'], Buffer.from('Subject: x\r\n\r\nhello\r\n'))).stdout;
    assert.ok(sealed.length > 0);
  });
  after(() => rm(directory, { recursive: true, force: true }));

  for (const [what, says, code, why] of shortOf(CASES, 4))
    test(`says ${what}: no crash, no wait, no message`, async () => {
      const server = await falseAgent(await socketPath(), says);
      try {
        const opened = await sealdir(['open', '--agent', '-k', 'key.asc'], sealed);
        assert.equal(opened.code, code, opened.stderr);
        assert.equal(opened.stdout.length, 0);
        assert.match(opened.stderr, why);
        assert.match(
          opened.stderr,
          /^sealdir: [^\p{C}]+\n$/u,
          'one sentence, and nothing that a terminal obeys',
        );
      } finally {
        server.close();
      }
    });

  test('says nothing at all, or half an answer: a limit ends the wait', async () => {
    const path = join(directory, 'silent');
    for (const says of [{ '': '' }, { '': 'O' }, { PKDECRYPT: 'D (5:val' }, { HAVEKEY: '' }]) {
      const server = await falseAgent(path, says);
      try {
        await assert.rejects(
          (async () => {
            const assuan = await Assuan.connect(path, 50);
            await assuan.command('PKDECRYPT', { waits: 'for person' });
            await assuan.command('HAVEKEY');
          })(),
          /does not answer within 0.05 s/,
        );
      } finally {
        server.close();
      }
    }
  });

  test('gets data in lines of at most 1,000 bytes, with each byte as it was', async () => {
    const path = join(directory, 'listening');
    const bytes = Buffer.concat([randomBytes(10_000), Buffer.alloc(3_000, '%'), Buffer.from('\r\n%0A')]);
    const lines: Buffer[] = [];
    const server = await falseAgent(path, { GIVE: 'INQUIRE BYTES\n' }, lines);
    try {
      const assuan = await Assuan.connect(path);
      const answer = await assuan.command('GIVE', { inquiries: { BYTES: async () => bytes } });
      assuan.close();
      assert.equal(answer.kind, 'ok');
      const data = lines.filter((line) => line.subarray(0, 2).equals(Buffer.from('D ')));
      assert.ok(data.length > 13 && data.every(({ length }) => length <= 1_000));
      const text = Buffer.concat(data.map((line) => line.subarray(2))).toString('latin1');
      const read = text.replaceAll(/%([0-9A-F]{2})/g, (_, hex) =>
        String.fromCharCode(Number.parseInt(hex, 16)),
      );
      assert.ok(Buffer.from(read, 'latin1').equals(bytes));
    } finally {
      server.close();
    }
  });

  async function socketPath(): Promise<string> {
    await run('mkdir', ['-p', '-m', '700', env().GNUPGHOME]);
    await run('gpgconf', ['--create-socketdir'], { env: env() });
    const { stdout } = await run('gpgconf', ['--list-dirs', 'agent-socket'], { env: env() });
    const path = stdout.toString().trimEnd();
    await rm(path, { force: true });
    return path;
  }
});

async function falseAgent(path: string, says: Says, heard: Buffer[] = []): Promise<Server> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    let pending = Buffer.alloc(0);
    say(socket, says[''] ?? 'OK\n');
    socket.on('data', (bytes: Buffer) => {
      pending = Buffer.concat([pending, bytes]);
      for (let end = pending.indexOf('\n'); end !== -1; end = pending.indexOf('\n')) {
        const line = pending.subarray(0, end);
        heard.push(line);
        pending = pending.subarray(end + 1);
        const [command = ''] = line.toString('latin1').split(' ');
        if (command !== 'D') say(socket, says[command] ?? 'OK\n');
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const close = server.close.bind(server);
  server.close = (...args) => {
    for (const socket of sockets) socket.destroy();
    return close(...args);
  };
  return server;
}

function say(socket: Socket, what: Says[string]): void {
  if (what === CLOSE) socket.destroy();
  else if (typeof what === 'string' || what instanceof Uint8Array) socket.write(what);
  else {
    const more = () => {
      while (socket.writable && socket.write(what.forever));
      socket.once('drain', more);
    };
    more();
  }
}
