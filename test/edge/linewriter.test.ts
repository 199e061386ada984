// Lines on a descriptor whose reader is slow, absent, or comes late.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readFileSync, readSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createConnection, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { withoutWaiting } from '../../src/edge/descriptor.ts';
import { LineWriter } from '../../src/edge/linewriter.ts';

const PIPE_BYTES = 65_536; // pipe(7)

interface Pipe {
  readonly path: string;
  /** Opens an end of it, which is closed when the test is over. */
  open(flags: number): number;
}

const { O_RDONLY, O_WRONLY, O_NONBLOCK } = constants;
const READER = O_RDONLY | O_NONBLOCK;

/** A named pipe in a directory of its own. */
async function withPipe(use: (pipe: Pipe) => void): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const path = join(directory, 'log');
  execFileSync('mkfifo', [path]);
  const opened: number[] = [];
  const open = (flags: number) => {
    const fd = openSync(path, flags);
    opened.push(fd);
    return fd;
  };
  try {
    use({ path, open });
  } finally {
    for (const fd of opened) closeSync(fd);
    await rm(directory, { recursive: true, force: true });
  }
}

/** Everything that is in the pipe now. */
function drain(reader: number): string {
  const pieces: Buffer[] = [];
  for (;;) {
    const piece = Buffer.alloc(PIPE_BYTES);
    try {
      const length = readSync(reader, piece);
      if (length === 0) break;
      pieces.push(piece.subarray(0, length));
    } catch {
      break; // EAGAIN: it is empty
    }
  }
  return Buffer.concat(pieces).toString();
}

const line = (n: number, length: number) => `${JSON.stringify({ n, text: 'x'.repeat(length) })}\n`;

/** The numbers of the lines, each of which has to be whole. */
const numbersOf = (text: string) =>
  text
    .split('\n')
    .filter(Boolean)
    .map((each) => (JSON.parse(each) as { n: number }).n);

for (const length of [100, 10_000, 100_000]) {
  test(`of lines of ${length} bytes that nobody reads some are lost and counted, and those written are whole`, () =>
    withPipe(({ open }) => {
      const reader = open(READER);
      const lines = new LineWriter(open(O_WRONLY | O_NONBLOCK));
      const all = Math.ceil((3 * PIPE_BYTES) / length);
      for (let n = 0; n < all; n++) lines.write(line(n, length));
      const { lost } = lines;
      assert.ok(lost > 0 && lost < all, `${lost} of ${all}`);
      let text = drain(reader);
      // the last one of them was cut in the middle if it was long: the next line finishes it
      for (let n = all; n < all + 3; n++) {
        lines.write(line(n, 10));
        text += drain(reader);
      }
      const numbers = numbersOf(text);
      assert.deepEqual(numbers.slice(-3), [all, all + 1, all + 2]);
      assert.equal(numbers.length, all + 3 - lost);
    }));
}

test('a reader that comes back after the log had none gets whole lines', () =>
  withPipe(({ path, open }) => {
    const first = openSync(path, READER);
    const lines = new LineWriter(open(O_WRONLY | O_NONBLOCK));
    for (let n = 0; n < 3; n++) lines.write(line(n, 30_000));
    closeSync(first);
    for (let n = 3; n < 6; n++) lines.write(line(n, 30_000));
    assert.equal(lines.lost, 3);
    // the pipe has kept two lines and the beginning of a third
    const next = open(READER);
    const before = drain(next);
    lines.write(line(6, 10));
    assert.deepEqual(numbersOf(before + drain(next)), [0, 1, 2, 6]);
  }));

test('a pipe is opened anew, so that whoever shares the descriptor still waits for room', () =>
  withPipe(({ open }) => {
    open(READER);
    const shared = open(O_WRONLY);
    const own = withoutWaiting(shared);
    assert.notEqual(own, shared);
    assert.equal(flagsOf(shared) & O_NONBLOCK, 0);
    assert.notEqual(flagsOf(own) & O_NONBLOCK, 0);
    closeSync(own);
  }));

/** Flags of what a descriptor refers to, from proc(5). */
function flagsOf(fd: number): number {
  const info = readFileSync(`/proc/self/fdinfo/${fd}`, 'utf8');
  return Number.parseInt(/flags:\s+(\d+)/.exec(info)?.[1] ?? '', 8);
}

test('a socket that nobody reads loses lines instead of waiting, as journald and child processes have it', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const path = join(directory, 'log.sock');
  const received: Buffer[] = [];
  const server = createServer({ pauseOnConnect: true });
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  const client = createConnection(path);
  const peer = await accepted;
  const { fd } = (client as unknown as { _handle: { fd: number } })._handle;
  const lines = new LineWriter(withoutWaiting(fd));
  let all = 0;
  while (lines.lost < 10) lines.write(line(all++, 1000));
  const ended = new Promise((resolve) => peer.once('end', resolve));
  peer.on('data', (bytes: Buffer) => received.push(bytes));
  peer.resume();
  client.end();
  await ended;
  assert.equal(numbersOf(Buffer.concat(received).toString()).length, all - 10);
  server.close();
  await rm(directory, { recursive: true, force: true });
});

test('a file is appended to', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
  const path = join(directory, 'log');
  writeFileSync(path, line(0, 10));
  const fd = openSync(path, 'a');
  assert.equal(withoutWaiting(fd), fd);
  const lines = new LineWriter(fd);
  lines.write(line(1, 10));
  assert.deepEqual(numbersOf(readFileSync(path, 'utf8')), [0, 1]);
  closeSync(fd);
  await rm(directory, { recursive: true, force: true });
});
