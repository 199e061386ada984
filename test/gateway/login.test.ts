// A session before its login: what is answered there, and how much of it.

import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { test } from 'node:test';
import { readLogin } from '../../src/gateway/login.ts';
import { Output } from '../../src/gateway/output.ts';
import { Input, TooLongError } from '../../src/imap/input.ts';

/** Has a client say all this, before its login. */
function said(lines: readonly string[]) {
  async function* source() {
    yield Buffer.from(lines.map((line) => `${line}\r\n`).join(''));
  }
  const stream = new PassThrough();
  const answers = () => `${stream.read() ?? ''}`.split('\r\n').slice(0, -1);
  return { login: readLogin(new Input(source()), new Output(stream)), answers };
}

const LOGIN = 'z LOGIN alice@example.com "a password"';

test('a client may ask this and that before its login', async () => {
  const { login, answers } = said(['a CAPABILITY', 'b NOOP', 'c ID NIL', 'd SELECT INBOX', LOGIN]);
  const given = await login;
  assert.equal(given?.user, 'alice@example.com');
  assert.equal(given?.password.toString(), 'a password');
  assert.deepEqual(
    answers()
      .filter((line) => !line.startsWith('*'))
      .map((line) => line.slice(0, 4)),
    ['a OK', 'b OK', 'c OK', 'd BA'],
  );
});

test('but who goes on with that, or with what is no command, is not listened to for long', async () => {
  for (const line of ['a NOOP', 'a SELECT INBOX', '', 'a AUTHENTICATE CRAM-MD5', 'a LOGIN alice']) {
    const { login, answers } = said([...Array<string>(1000).fill(line), LOGIN]);
    await assert.rejects(login, TooLongError, line);
    const { length } = answers();
    assert.ok(length > 0 && length <= 20, `${line}: ${length}`);
  }
});
