/**
 * What the front tells the process of a user about somebody who logs in, over a Unix socket that is theirs
 * from then on: a line of JSON, then the password. The answer is one line; after a good one the socket has
 * the session.
 */
import type { Input } from '../imap/input.ts';
import type { Credentials } from './login.ts';
import type { Output } from './output.ts';

/** `busy`: nothing is known about the password. `unknown`: it has not opened the key in this process yet. */
export type Verdict = 'opened' | 'wrong' | 'unknown' | 'busy';

export interface Handover extends Credentials {
  /** A password that is not known is tried, at the cost of a derivation. */
  readonly derives: boolean;
}

const LINES: Readonly<Record<Verdict, string>> = { opened: '+', wrong: '-', unknown: '?', busy: '!' };
const VERDICTS = Object.keys(LINES) as Verdict[];
const MOST_LINE_BYTES = 8192;

export async function writeHandover(output: Output, given: Handover): Promise<void> {
  const { tag, user, password, derives } = given;
  await output.line(JSON.stringify({ tag, user, derives, bytes: password.length }));
  await output.write(password);
}

/** Throws what Input throws. */
export async function readHandover(input: Input): Promise<Handover> {
  const line = await input.line(MOST_LINE_BYTES);
  // written by the front, which is this program
  const { bytes, ...rest } = JSON.parse(line.toString('utf8')) as Omit<Handover, 'password'> & {
    readonly bytes: number;
  };
  return { ...rest, password: await input.bytes(bytes) };
}

export function writeVerdict(output: Output, verdict: Verdict): Promise<void> {
  return output.line(LINES[verdict]);
}

/** Throws what Input throws. */
export async function readVerdict(input: Input): Promise<Verdict> {
  const line = (await input.line(8)).toString('latin1');
  return VERDICTS.find((each) => LINES[each] === line) ?? 'busy';
}
