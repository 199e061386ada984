/**
 * The session of a user whose key is open: a connection to the server behind is made for it, and when one of
 * the two connections ends, so does the other.
 */
import type { Duplex } from 'node:stream';
import { narrowed } from '../imap/capability.ts';
import type { Account } from './account.ts';
import type { Client } from './connection.ts';
import type { Credentials } from './login.ts';
import type { Caches } from './mailbox.ts';
import { Session, type SessionParts } from './session.ts';
import { Upstream } from './upstream.ts';

/** How the server behind is told who it is. */
export interface UpstreamLogin {
  /** Whose mail it is. */
  readonly user: string;
  /** Who says so, such as a master user of Dovecot; the user if left out. */
  readonly as?: string;
  /** Overwritten after use. */
  readonly password: Buffer;
  /** It is what the client has said, and the server behind is the one to judge it. */
  readonly isTheirs?: boolean;
}

export interface UnlockedParts extends Pick<SessionParts, 'appending' | 'mostMessageBytes'> {
  readonly account: Account;
  readonly caches: Caches;
  /** Connects to the server behind. */
  connect(): Promise<Duplex>;
  login(): Promise<UpstreamLogin>;
  /** Begins tags of ours. */
  readonly prefix: string;
  complain(what: 'append' | 'cache' | 'command' | 'upstream', error: unknown): void;
}

/** Answers the login, and runs the session. Resolves when it has ended; throws as Session does. */
export async function runUnlocked(
  { tag }: Pick<Credentials, 'tag'>,
  { stream, client, input }: Client,
  parts: UnlockedParts,
): Promise<void> {
  let session: Session | undefined;
  let upstream: Upstream | undefined;
  try {
    upstream = new Upstream(await parts.connect(), parts.prefix, async (response) => session?.pass(response));
    await upstream.greeting;
    const login = await parts.login();
    const answer = await upstream.dialogue(
      undefined,
      'AUTHENTICATE PLAIN',
      async () => undefined,
      async () => plainOf(login),
    );
    if (answer.word !== 'OK' && login.isTheirs) {
      upstream.close();
      return client.line(`${tag} ${narrowed(answer.text)}`);
    }
    if (answer.word !== 'OK') throw new Error(`the server behind does not log in: ${answer.text}`);
    session = new Session({ ...parts, input, client, upstream });
    await client.write(Buffer.from(`${tag} ${narrowed(answer.text)}\r\n`));
  } catch (error) {
    upstream?.close();
    parts.complain('upstream', error);
    return client.line(`${tag} NO [UNAVAILABLE] the mail server does not answer`);
  }
  void upstream.ended.then(() => stream.destroy());
  try {
    await session.run();
  } finally {
    upstream.close();
  }
}

/** The message of SASL PLAIN (RFC 4616 §2) in base64. */
function plainOf({ user, as = user, password }: UpstreamLogin): Buffer {
  const authorize = as === user ? '' : user;
  const message = Buffer.concat([Buffer.from(`${authorize}\0${as}\0`), password]);
  const line = Buffer.from(message.toString('base64'));
  message.fill(0);
  password.fill(0);
  return line;
}
