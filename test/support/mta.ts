// Postfix and Exim as tests that are the same for both see them.

import { type Exim, SENDER_DOMAIN } from './exim.ts';
import type { Postfix } from './postfix.ts';
import { submit } from './submit.ts';
import { asData } from './wireform.ts';

export const SENDER = `me@${SENDER_DOMAIN}`;

export type Verdict = 'delivered' | 'deferred' | 'bounced';

export interface Mail {
  readonly to: readonly string[];
  /** In wire form, not dot-stuffed. */
  readonly message: Buffer;
  /** SENDER, if left out. */
  readonly from?: string;
  /** Of the command MAIL. */
  readonly parameters?: string;
}

export interface Mta {
  /** Hands a message over as a program on the same machine does: nobody asks who exists. */
  hand(mail: Mail): Promise<void>;
  /** Sends one as a server elsewhere does. Rejects with the reply if it is refused. */
  send(mail: Mail): Promise<void>;
  /** Returns what became of a recipient at each try since `clear`. */
  verdicts(address: string): Promise<Verdict[]>;
  /** Returns a line for each recipient that waits, with the address in it. */
  queue(): Promise<string[]>;
  /** Has all that waits tried at once. */
  flush(): Promise<void>;
  /** Resolves to what was returned to SENDER. */
  bounces(): Promise<string[]>;
  /** Resolves to what was logged since `clear`. */
  log(): Promise<string>;
  /** Forgets queue, bounces and log. */
  clear(): Promise<void>;
}

export function postfixMta(postfix: Postfix): Mta {
  let from = 0;
  const words = { sent: 'delivered', bounced: 'bounced', deferred: 'deferred' } as const;
  return {
    hand: (mail) => postfix.sendmail(mail.from ?? SENDER, mail.to, withLf(mail.message)),
    async send({ from = SENDER, ...mail }) {
      await submit(postfix.port, { from, ...mail });
    },
    async verdicts(address) {
      const tries = postfix
        .log()
        .slice(from)
        .matchAll(/ to=<([^>]*)>,.* status=(sent|bounced|deferred) /g);
      return [...tries].flatMap(([, to, status]) =>
        to === address ? [words[status as keyof typeof words]] : [],
      );
    },
    queue: postfix.queue,
    flush: postfix.flush,
    bounces: postfix.bounces,
    log: async () => postfix.log().slice(from),
    async clear() {
      await postfix.clear();
      from = postfix.log().length;
    },
  };
}

export function eximMta(exim: Exim): Mta {
  let from = 0;
  const log = async () => (await exim.log()).slice(from);
  const marks = { '=>': 'delivered', '->': 'delivered', '**': 'bounced', '==': 'deferred' } as const;
  return {
    hand: (mail) => exim.submit(mail.from ?? SENDER, mail.to, withLf(mail.message)),
    async send({ from = SENDER, to, message, parameters = '' }) {
      const replies = await exim.smtp([
        'EHLO client.test',
        `MAIL FROM:<${from}> ${parameters}`.trimEnd(),
        ...to.map((address) => `RCPT TO:<${address}>`),
        'DATA',
        asData(message),
        'QUIT',
      ]);
      const refused = /^[45]\d\d[ -].*/m.exec(replies);
      if (refused !== null) throw new Error(`unexpected reply: ${refused[0]}`);
    },
    async verdicts(address) {
      const lines = (await log()).matchAll(/^\S+ \S+ \S+ (=>|->|\*\*|==) (.*?) R=/gm);
      return [...lines].flatMap(([, mark, to = '']) =>
        to.split(/[<> ]/).includes(address) ? [marks[mark as keyof typeof marks]] : [],
      );
    },
    queue: exim.queue,
    flush: exim.flush,
    bounces: exim.bounces,
    log,
    async clear() {
      for (const line of await exim.queue()) await exim.remove(line.split(' ')[0] ?? '');
      await exim.forgetBounces();
      from = (await exim.log()).length;
    },
  };
}

function withLf(message: Buffer): Buffer {
  return Buffer.from(message.toString('latin1').replaceAll('\r\n', '\n'), 'latin1');
}
