/**
 * A connection of a client up to its login, and then whatever runs its session: one in this process, or a
 * relay to the process of its user. Knows neither keys nor the server behind.
 */
import type { Duplex } from 'node:stream';
import { setTimeout as pause } from 'node:timers/promises';
import { EndedError, Input, readFrom, TooLongError } from '../imap/input.ts';
import { type Credentials, greeting, readLogin } from './login.ts';
import { Output } from './output.ts';

export interface Client {
  readonly stream: Duplex;
  readonly client: Output;
  readonly input: Input;
}

/** Why nobody has logged in. `busy`: nothing is known about the password. */
export interface Refusal {
  readonly why: 'wrong' | 'busy';
  /** How long its answer is held back, in milliseconds. */
  readonly holdMs: number;
}

/** A session answers the login itself. */
export type Attempt = Refusal | { run(client: Client): Promise<void> };

export interface ConnectionParts {
  readonly hostname: string;
  /** Overwrites the password. Never rejects. */
  attempt(credentials: Credentials): Promise<Attempt>;
  /** A mistake of ours, which has ended the connection. */
  complain(error: unknown): void;
}

/** Wrong logins of one connection. */
const MOST_ATTEMPTS = 5;
/** A connection on which nobody says anything is looked at: a phone may have lost its network. */
export const KEEPALIVE_MS = 300_000;
/** Whoever does not read the rest within this time does not get it. */
const CLOSE_MS = 1000;

/** Resolves when the connection has ended, whatever has ended it. Never rejects. */
export async function serveConnection(stream: Duplex, parts: ConnectionParts): Promise<void> {
  const client = new Output(stream);
  const input = new Input(readFrom(stream));
  try {
    await client.line(greeting(parts.hostname));
    for (let attempt = 1; attempt <= MOST_ATTEMPTS; attempt++) {
      const credentials = await readLogin(input, client);
      if (credentials === undefined) break;
      const outcome = await parts.attempt(credentials);
      if ('run' in outcome) {
        await outcome.run({ stream, client, input });
        break;
      }
      await pause(outcome.holdMs);
      await client.line(`${credentials.tag} NO ${WORDS[outcome.why]}`);
    }
  } catch (error) {
    if (error instanceof TooLongError) await client.line(`* BYE ${error.message}`).catch(() => undefined);
    else if (!isOfConnection(error)) parts.complain(error);
  } finally {
    closeSoon(stream);
  }
}

/** Ends a stream, and gives its reader a moment for what is on its way. */
export function closeSoon(stream: Duplex): void {
  stream.end();
  setTimeout(() => stream.destroy(), CLOSE_MS).unref();
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
