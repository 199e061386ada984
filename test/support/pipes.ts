// Real Exim and real Postfix that hand mail to `sealdir deliver` and `sealdir seal` as config/exim and
// config/postfix say, on a machine of their own, with a real server.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIM, type Exim, SENDER_DOMAIN, startExim } from './exim.ts';
import { type Host, startHost } from './host.ts';
import { MailHost, mailbox, STORE, shipped } from './mailhost.ts';
import { type Postfix, startPostfix } from './postfix.ts';
import { submit } from './submit.ts';
import { until } from './until.ts';

/** How mail is handed over, and the ends of the addresses for which it is. */
const ENDS = {
  'Exim pipe, deliver': '@example.com',
  'Exim transport_filter, seal': '@example.net',
  'Postfix pipe(8), deliver': '-postfix@example.com',
} as const;
export type Transport = keyof typeof ENDS;
export const TRANSPORTS = Object.keys(ENDS) as Transport[];

export function addressWith(transport: Transport, name: string): string {
  return name + ENDS[transport];
}

export type Outcome = 'delivered' | 'deferred' | 'bounced';

const SENDER = `me@${SENDER_DOMAIN}`;

export class Pipes extends MailHost {
  readonly exim: Exim;
  readonly postfix: Postfix;
  readonly #directory: string;
  #logged: number[] = [0, 0];

  private constructor(host: Host, exim: Exim, postfix: Postfix, directory: string) {
    super(host);
    this.exim = exim;
    this.postfix = postfix;
    this.#directory = directory;
  }

  /** With the blocks as they are, or with seconds instead of the minutes that they give a command. */
  static async start(limits: 'minutes' | 'seconds' = 'minutes'): Promise<Pipes> {
    const limited = (text: string) =>
      limits === 'minutes' ? text : text.replace(/\b(9|10)m\b/g, (_, n) => (n === '9' ? '1s' : '4s'));
    const host = await startHost([EXIM]);
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-pipes-'));
    const exim = await startExim(host, {
      domains: ['example.com', 'example.net'],
      configuration: {
        'router/350_sealdir': eximBlocks('router'),
        'transport/30_sealdir': limited(eximBlocks('transport')),
      },
    });
    const postfix = await startPostfix({
      dir: directory,
      transport: '',
      domains: [],
      main: limited(shipped('postfix/pipe.main.cf')),
      services: limited(shipped('postfix/pipe.master.cf')),
      returns: SENDER_DOMAIN,
      settings: { allow_min_user: 'yes' }, // a sender may begin with a hyphen
      on: host,
    });
    return new Pipes(host, exim, postfix, directory);
  }

  /** Makes one as README says. */
  async makeMailbox(address: string): Promise<void> {
    const make = (mode: string, ...directories: string[]) =>
      this.root('install', '-d', '-o', 'sealdir', '-g', 'sealdir', '-m', mode, ...directories);
    await make('755', STORE, mailbox(address, '..'));
    await make('700', mailbox(address));
  }

  /** Hands a message over, and resolves to what became of it. */
  async send(transport: Transport, recipient: string, message: Buffer, sender = SENDER): Promise<Outcome> {
    if (!transport.startsWith('Postfix')) {
      await this.exim.submit(sender, [recipient], message);
      return this.#eximOutcome(recipient);
    }
    const from = this.postfix.log().length;
    const wire = Buffer.from(message.toString('latin1').replaceAll('\n', '\r\n'), 'latin1');
    await submit(this.postfix.port, { from: sender, to: [recipient], message: wire });
    return this.#postfixOutcome(recipient, from);
  }

  /** Has what waits tried again, and resolves to what became of it. */
  async retry(transport: Transport, recipient: string): Promise<Outcome> {
    if (!transport.startsWith('Postfix')) {
      await this.exim.flush();
      return this.#eximOutcome(recipient);
    }
    const from = this.postfix.log().length;
    await this.postfix.flush();
    return this.#postfixOutcome(recipient, from);
  }

  async #eximOutcome(recipient: string): Promise<Outcome> {
    const waiting = (await this.exim.queue()).find((line) => line.includes(` ${recipient}`));
    if (waiting !== undefined) {
      if (waiting.endsWith('frozen')) throw new Error('frozen');
      return 'deferred';
    }
    return (await this.bounces()).some((text) => text.includes(recipient)) ? 'bounced' : 'delivered';
  }

  async #postfixOutcome(recipient: string, from: number): Promise<Outcome> {
    let status = '';
    await until(
      `Postfix has tried ${recipient}`,
      () => {
        const lines = this.postfix.log().slice(from).split('\n');
        const line = lines.find((each) => each.includes(` to=<${recipient}>`));
        [, status = ''] = / status=(\w+)/.exec(line ?? '') ?? [];
        return status !== '';
      },
      60_000,
    );
    if (status !== 'bounced') return status === 'sent' ? 'delivered' : 'deferred';
    await until('the bounce is there', async () =>
      (await this.bounces()).some((text) => text.includes(recipient)),
    );
    return 'bounced';
  }

  /** All that was returned to senders. */
  async bounces(): Promise<string[]> {
    return [...(await this.exim.bounces()), ...(await this.postfix.bounces())];
  }

  /** Resolves to the files of the store with these words in them, as the machine sees it. */
  async filesWith(words: string): Promise<string[]> {
    const { stdout } = await this.host.run('grep', ['-rlaF', words, STORE]);
    return stdout.toString().split('\n').filter(Boolean);
  }

  /** Resolves to what both have logged since the last call. */
  async log(): Promise<string> {
    const logs = [await this.exim.log(), this.postfix.log()];
    const fresh = logs.map((text, n) => text.slice(this.#logged[n]));
    this.#logged = logs.map((text) => text.length);
    return fresh.join('');
  }

  /** Forgets queues, bounces and mail. */
  async clear(): Promise<void> {
    await this.postfix.clear();
    for (const line of await this.exim.queue()) await this.exim.remove(line.split(' ')[0] ?? '');
    await this.exim.forgetBounces();
    await this.root('sh', '-c', `rm -rf ${STORE}/*`);
  }

  async stop(): Promise<void> {
    await this.stopServer();
    await this.postfix.stop();
    await this.host.stop();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** Returns all blocks of config/exim of a kind, `router` or `transport`. */
export function eximBlocks(kind: string): string {
  return `${shipped(`exim/deliver.${kind}`)}\n${shipped(`exim/seal.${kind}`)}`;
}
