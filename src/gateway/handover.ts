/**
 * What the front tells the process of a user about somebody who logs in, over a Unix socket that is theirs
 * from then on: a line of JSON, then the password. The answer is one line; after a good one the socket has
 * the session.
 */
import type { Input } from '../imap/input.ts';
import type { Credentials } from './login.ts';
import type { Output } from './output.ts';

/** `busy`: nothing is known about the password. */
export type Verdict = 'opened' | 'wrong' | 'busy';

const LINES: Readonly<Record<Verdict, string>> = { opened: '+', wrong: '-', busy: '!' };
const MOST_LINE_BYTES = 8192;

export async function writeHandover(output: Output, { tag, user, password }: Credentials): Promise<void> {
  await output.line(JSON.stringify({ tag, user, bytes: password.length }));
  await output.write(password);
}

/** Throws what Input throws. */
export async function readHandover(input: Input): Promise<Credentials> {
  const line = await input.line(MOST_LINE_BYTES);
  // written by the front, which is this program
  const { tag, user, bytes } = JSON.parse(line.toString('utf8')) as Omit<Credentials, 'password'> & {
    readonly bytes: number;
  };
  return { tag, user, password: await input.bytes(bytes) };
}

export function writeVerdict(output: Output, verdict: Verdict): Promise<void> {
  return output.line(LINES[verdict]);
}

/** Throws what Input throws. */
export async function readVerdict(input: Input): Promise<Verdict> {
  const line = (await input.line(8)).toString('latin1');
  return line === '+' ? 'opened' : line === '-' ? 'wrong' : 'busy';
}
