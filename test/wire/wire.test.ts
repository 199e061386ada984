// Golden dialogues. Each *.lmtp file is one session and has the name of the rule that it pins. It is played
// line by line and byte by byte.
//
//   # text     the rule and where it stands
//   C: text    the client sends the text and CRLF (\r \n \0 \t \xHH; \c at the end: no CRLF; {x*9}: nine x)
//   S: text    the server answers exactly this line; * stands for anything
//   X          the server closes

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { connectLmtp, type LmtpClient } from '../support/lmtp.ts';
import { startSealdir, type TestServer } from '../support/sealdir.ts';
import { repositoryRoot } from '../support/shared.ts';
import { makeKey } from '../support/testkeys.ts';

const DIRECTORY = join(repositoryRoot(), 'test/wire');
const files = readdirSync(DIRECTORY).filter((name) => name.endsWith('.lmtp'));

describe('wire', () => {
  let server: TestServer;

  before(async () => {
    const keys: Record<string, string> = {};
    for (const address of ['alice@example.com', 'bob@example.com', 'o%27hara@example.com']) {
      keys[address] = (await makeKey(address)).certificate;
    }
    const alice = keys['alice@example.com'] ?? '';
    keys['jörg@xn--bcher-kva.example'] = alice;
    keys['postmaster@mx.example.com'] = alice;
    keys['a%20b@example.com'] = alice;
    const past = new Date(Date.now() - 86_400_000);
    keys['expired@example.com'] = (
      await makeKey('expired@example.com', { date: past, expiresAfter: 3600 })
    ).certificate;
    keys['broken@example.com'] = 'not a key';
    server = await startSealdir({
      keys,
      toml: { lmtp: 'max_message_size = "2KiB"\nmax_header_size = "1KiB"\nmax_recipients = 4' },
    });
  });
  after(() => server.stop());

  for (const file of files) {
    const script = readFileSync(join(DIRECTORY, file), 'utf8').split('\n');
    for (const pace of ['line by line', 'byte by byte'] as const) {
      for (const over of ['unix', 'tcp'] as const) {
        if (pace === 'byte by byte' && over === 'tcp') continue;
        test(`${file} ${pace} over ${over}`, { timeout: 120_000 }, () =>
          play(script, pace, over === 'unix' ? server.socketPath : server.port),
        );
      }
    }
  }
});

async function play(script: readonly string[], pace: string, to: string | number): Promise<void> {
  const client = await connectLmtp(to);
  try {
    let pending: string[] = [];
    for (const line of script) {
      if (line.startsWith('C: ')) await send(client, bytesOf(line.slice(3)), pace);
      if (line.startsWith('S: ')) {
        if (pending.length === 0) pending = (await client.reply()).split('\n');
        assertMatches(pending.shift() ?? '', line.slice(3));
      }
      if (line === 'X') assert.equal(await client.reply(), '', 'the server has closed');
    }
    assert.deepEqual(pending, [], 'no reply line is left over');
  } finally {
    await client.vanish();
  }
}

function assertMatches(actual: string, pattern: string): void {
  const regex = new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replace(/[\^$.|?+()[\]{}]/g, '\\$&'))
      .join('.*')}$`,
  );
  assert.match(actual, regex);
}

async function send(client: LmtpClient, bytes: Buffer, pace: string): Promise<void> {
  if (pace === 'line by line') return client.write(bytes);
  for (const byte of bytes) {
    client.write(Buffer.of(byte));
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function bytesOf(text: string): Buffer {
  const isPart = text.endsWith('\\c');
  const plain = (isPart ? text.slice(0, -2) : text).replace(/\{(.)\*(\d+)\}/g, (_, c: string, n: string) =>
    c.repeat(Number(n)),
  );
  const bytes: Buffer[] = [];
  for (const [token] of plain.matchAll(/\\x[0-9a-f]{2}|\\.|[^\\]+/gs)) {
    if (token.startsWith('\\x')) bytes.push(Buffer.of(Number.parseInt(token.slice(2), 16)));
    else if (token.startsWith('\\'))
      bytes.push(Buffer.from({ r: '\r', n: '\n', '0': '\0', t: '\t' }[token.slice(1)] ?? '\\'));
    else bytes.push(Buffer.from(token));
  }
  return Buffer.concat(isPart ? bytes : [...bytes, Buffer.from('\r\n')]);
}
