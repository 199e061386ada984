/**
 * A connection of a client up to its login, and then whatever runs its session: one in this process, or a
 * relay to the process of its user. Knows neither keys nor the server behind.
 */
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { EndedError, Input, TooLongError } from '../imap/input.ts';
import { type Credentials, greeting, readLogin } from './login.ts';
import { Output } from './output.ts';

export interface Client {
  readonly stream: Duplex;
  readonly client: Output;
  readonly input: Input;
}

/** `busy`: nothing is known about the password. A session answers the login itself. */
export type Attempt = 'wrong' | 'busy' | { run(client: Client): Promise<void> };

export interface ConnectionParts {
  readonly hostname: string;
  /** Overwrites the password. Never rejects. */
  attempt(credentials: Credentials): Promise<Attempt>;
  /** Notes a wrong login. Returns how long its answer is held back, in milliseconds. */
  wrong(user: string): number;
  /** Somebody has logged in. */
  right?(user: string): void;
  /** A mistake of ours, which has ended the connection. */
  complain(error: unknown): void;
}

/** Wrong logins of one connection. */
const MOST_ATTEMPTS = 5;
/** Whoever does not read the rest within this time does not get it. */
const CLOSE_MS = 1000;

/** Resolves when the connection has ended, whatever has ended it. Never rejects. */
export async function serveConnection(stream: Duplex, parts: ConnectionParts): Promise<void> {
  const client = new Output(stream);
  const input = new Input(stream);
  try {
    await client.line(greeting(parts.hostname));
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const credentials = await readLogin(input, client);
      if (credentials === undefined) break;
      const { tag, user } = credentials;
      const outcome = await parts.attempt(credentials);
      if (typeof outcome !== 'string') {
        parts.right?.(user);
        await outcome.run({ stream, client, input });
        break;
      }
      if (outcome === 'wrong') await pause(parts.wrong(user));
      await client.line(`${tag} NO ${WORDS[outcome]}`);
    }
  } catch (error) {
    if (error instanceof TooLongError) await client.line(`* BYE ${error.message}`).catch(() => undefined);
    else if (!isOfConnection(error)) parts.complain(error);
  } finally {
    stream.end();
    setTimeout(() => stream.destroy(), CLOSE_MS).unref();
  }
}

const WORDS = {
  wrong: '[AUTHENTICATIONFAILED] the password opens nothing',
  busy: '[UNAVAILABLE] that cannot be looked up at the moment',
} as const;

/** Tells whether an error only says that the other side has gone. */
export function isOfConnection(error: unknown): boolean {
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  return error instanceof EndedError || /^(ECONN|EPIPE|ERR_STREAM|ERR_SSL|ETIMEDOUT)/.test(code);
}
