/**
 * A session up to its login (RFC 3501 §3.1): LOGIN and AUTHENTICATE PLAIN (RFC 4616), and nothing that needs
 * a user. Passwords are buffers here, and whoever gets one overwrites it.
 */
import { type Command, CommandFault, readCommand } from '../imap/command.ts';
import { type Input, TooLongError } from '../imap/input.ts';
import { SyntaxFault, ValueReader } from '../imap/values.ts';
import { bytesOfBase64 } from './base64.ts';
import type { Output } from './output.ts';

export interface Credentials {
  /** Of the command, for its answer. */
  readonly tag: string;
  /** As it was sent. */
  readonly user: string;
  readonly password: Buffer;
}

const CAPABILITIES = 'IMAP4rev1 LITERAL+ SASL-IR AUTH=PLAIN ID';
/** A line of base64 with the longest name and password. */
const MOST_LINE_BYTES = 8192;
const SP = 0x20;
/** Of commands that are no login. Programs send three or four of them. */
const MOST_COMMANDS = 20;
const LIMITS = { lineBytes: MOST_LINE_BYTES, literalBytes: 2048 };

export function greeting(hostname: string): string {
  return `* OK [CAPABILITY ${CAPABILITIES}] ${hostname} is ready`;
}

/**
 * Resolves to what the client logs in with; undefined if it has logged out. Throws what Input throws, and
 * TooLongError after many other commands: nobody may keep the front busy without a login.
 */
export async function readLogin(input: Input, client: Output): Promise<Credentials | undefined> {
  for (let others = 0; others < MOST_COMMANDS; others++) {
    try {
      const command = await readCommand(input, () => client.line('+ OK'), LIMITS);
      switch (command.name) {
        case 'LOGIN':
          return loginOf(command);
        case 'AUTHENTICATE':
          return await plainOf(command, input, client);
        case 'LOGOUT':
          await client.line('* BYE logging out');
          await client.line(`${command.tag} OK LOGOUT completed`);
          return undefined;
        default:
          await answer(command, client);
      }
    } catch (error) {
      if (!(error instanceof CommandFault)) throw error;
      await client.line(`${error.tag} BAD ${error.message}`);
    }
  }
  throw new TooLongError('too many commands before a login');
}

async function answer({ tag, name }: Command, client: Output): Promise<void> {
  if (name === 'CAPABILITY') await client.line(`* CAPABILITY ${CAPABILITIES}`);
  else if (name === 'ID') await client.line('* ID ("name" "Sealdir")');
  else if (name !== 'NOOP') return client.line(`${tag} BAD log in first`);
  await client.line(`${tag} OK ${name} completed`);
}

function loginOf({ tag, segments, argumentsAt }: Command): Credentials {
  try {
    const reader = new ValueReader(segments, argumentsAt);
    const user = reader.astring().toString('utf8');
    const password = reader.astring();
    if (reader.isAtEnd) return { tag, user, password };
    password.fill(0);
    throw new SyntaxFault('LOGIN has a name and a password');
  } catch (error) {
    if (error instanceof SyntaxFault) throw new CommandFault(tag, error.message);
    throw error;
  } finally {
    for (const each of segments) each.fill(0);
  }
}

async function plainOf(command: Command, input: Input, client: Output): Promise<Credentials> {
  const { tag } = command;
  const [line = Buffer.alloc(0), ...literals] = command.segments;
  const given = line.subarray(command.argumentsAt);
  const end = given.indexOf(SP);
  const mechanism = given.toString('latin1', 0, end === -1 ? given.length : end);
  if (mechanism.toUpperCase() !== 'PLAIN' || literals.length > 0)
    throw new CommandFault(tag, 'PLAIN is the only mechanism');
  let written = given.subarray(end + 1);
  if (end === -1) {
    await client.line('+ ');
    written = await input.line(MOST_LINE_BYTES);
  }
  const message = bytesOfBase64(written);
  written.fill(0);
  if (message === undefined) throw new CommandFault(tag, 'that is no base64, or AUTHENTICATE was given up');
  const first = message.indexOf(0);
  const second = message.indexOf(0, first + 1);
  const [authorize, user] = [message.toString('utf8', 0, first), message.toString('utf8', first + 1, second)];
  if (first === -1 || second === -1 || (authorize !== '' && authorize !== user)) {
    message.fill(0);
    throw new CommandFault(tag, 'that is no login of one user');
  }
  const password = Buffer.from(message.subarray(second + 1));
  message.fill(0);
  return { tag, user, password };
}
