/**
 * The session of a user whose key is open: a connection to the server behind is made for it, and when one of
 * the two connections ends, so does the other.
 */
import type { Duplex } from 'node:stream';
import { within } from '../core/deadline.ts';
import { narrowed } from '../imap/capability.ts';
import type { Account } from './account.ts';
import { type Client, closeSoon } from './connection.ts';
import type { Credentials } from './login.ts';
import type { Caches } from './mailbox.ts';
import { Session, type SessionParts } from './session.ts';
import { type Answer, type Sink, Upstream } from './upstream.ts';

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
  /**
   * Is told what the server behind says of a password that it is the one to judge. Left out: the client is
   * told, as by a server.
   */
  judged?(verdict: 'opened' | 'wrong' | 'busy'): Promise<void>;
  /** Begins tags of ours. */
  readonly prefix: string;
  complain(what: 'append' | 'cache' | 'command' | 'upstream', error: unknown): void;
}

const NO_ANSWER = 'the server behind does not answer in time';
/** For its greeting, and for the login. */
const BEHIND_MS = 30_000;

/** Answers the login, and runs the session. Resolves when it has ended; throws as Session does. */
export async function runUnlocked(
  { tag }: Pick<Credentials, 'tag'>,
  { stream, client, input }: Client,
  parts: UnlockedParts,
): Promise<void> {
  let session: Session | undefined;
  let behind: Behind;
  try {
    behind = await logInBehind(parts, async (response) => session?.pass(response));
  } catch (error) {
    parts.complain('upstream', error);
    if (parts.judged !== undefined) return parts.judged('busy');
    return client.line(`${tag} NO [UNAVAILABLE] the mail server does not answer`);
  }
  const { upstream, answer } = behind;
  try {
    if (answer.word !== 'OK') {
      if (parts.judged === undefined) return await client.line(`${tag} ${narrowed(answer.text)}`);
      return await parts.judged(/\[UNAVAILABLE\]/i.test(answer.text) ? 'busy' : 'wrong');
    }
    await parts.judged?.('opened');
    session = new Session({ ...parts, input, client, upstream });
    await client.write(Buffer.from(`${tag} ${narrowed(answer.text)}\r\n`));
    void upstream.ended.then(() => closeSoon(stream)); // the last answers may still be on their way
    await session.run();
  } finally {
    upstream.close();
  }
}

interface Behind {
  readonly upstream: Upstream;
  /** Other than OK only where the server behind is the one to judge the password. */
  readonly answer: Answer;
}

/** Throws what is wrong with the server behind, or with the login of the gateway there. */
async function logInBehind(parts: UnlockedParts, pass: Sink): Promise<Behind> {
  const connecting = parts.connect();
  const stream = await within(connecting, BEHIND_MS);
  if (stream === 'late') {
    connecting.then((late) => late.destroy()).catch(() => undefined);
    throw new Error(NO_ANSWER);
  }
  const upstream = new Upstream(stream, parts.prefix, pass);
  try {
    if ((await within(upstream.greeting, BEHIND_MS)) === 'late') throw new Error(NO_ANSWER);
    const login = await parts.login();
    const answer = await within(
      upstream.dialogue(
        undefined,
        'AUTHENTICATE PLAIN',
        async () => undefined,
        async () => plainOf(login),
      ),
      BEHIND_MS,
    );
    if (answer === 'late') throw new Error(NO_ANSWER);
    if (answer.word === 'OK' || login.isTheirs) return { upstream, answer };
    throw new Error(`the server behind does not log in: ${answer.text}`);
  } catch (error) {
    upstream.close();
    throw error;
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
