// Thunderbird, with a profile, a home and a display (Xvfb) of its own, driven through Marionette: the port on
// which Mozilla's own tests talk to it. What it does there is in thunderbirdchrome.js.
//
// It gets no network but that of this machine: names that are not told to be here do not resolve, and what is
// fetched over HTTP ends at a port where nobody is.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import { start } from './process.ts';
import { repositoryRoot } from './shared.ts';

const SCRIPT_MS = 120_000;
const START_MS = 60_000;
const ACTIONS = readFileSync(join(repositoryRoot(), 'test/support/thunderbirdchrome.js'), 'utf8');

export interface Account {
  readonly address: string;
  readonly password: string;
  readonly hostname: string;
  readonly port: number;
  readonly isTls: boolean;
  /** Armored, without a passphrase. Left out: the owner has no key here. */
  readonly secretKey?: string;
  /** Where mail is sent on this machine, without a login; nowhere if left out. */
  readonly smtpPort?: number;
}

/** A row of the list of messages. */
export interface Row {
  readonly messageId: string;
  readonly listed: string;
  readonly correspondent: string;
  /** 0 for the first message of a thread. */
  readonly level: number;
  /** The paper clip. */
  readonly hasAttachment: boolean;
}

/** A message as it is shown, and its row. */
export interface Shown extends Row {
  readonly subject: string;
  readonly sender: string;
  readonly recipients: string;
  readonly text: string;
  /** How wide each picture is in pixels; 0 for one that is not shown. */
  readonly pictures: readonly number[];
  readonly isEncrypted: boolean;
  /** The icons for encryption and signature. */
  readonly encryption: string;
  readonly signature: string;
  /** The bar with buttons above an invitation. */
  readonly invitation: string;
  /** Their names. */
  readonly attachments: readonly string[];
}

export interface Reply {
  readonly subject: string;
  readonly to: string;
  /** The text that the reply begins with. */
  readonly quoted: string;
  readonly sent: Buffer;
}

export interface Thunderbird {
  /** Adds an account, and resolves to its name for the others. */
  addAccount(account: Account): Promise<string>;
  acceptKey(certificate: string): Promise<void>;
  trustAuthority(pem: string): Promise<void>;
  /** Shows a folder once it has `count` messages, and lists them. */
  list(account: string, folder: string, count: number): Promise<Row[]>;
  show(account: string, folder: string, messageId: string): Promise<Shown>;
  /** Resolves to how many keys it knows, secret and public. */
  countKeys(): Promise<number>;
  /** Saves an attachment of the message that is shown. */
  save(attachment: string): Promise<Buffer>;
  /** Tells to whom an answer to all would go. */
  answerAll(): Promise<string>;
  /** Answers the message that is shown; the reply is taken as it would be sent. */
  reply(): Promise<Reply>;
  /** Begins an answer to the message that is shown, and saves it as a draft. */
  draft(text: string): Promise<void>;
  /** Sends that. */
  send(): Promise<void>;
  screenshot(file: string): Promise<void>;
  stop(): Promise<void>;
}

/** Starts it with its files in `directory`. The names in `here` are addresses of this machine. */
export async function startThunderbird(
  directory: string,
  here: readonly string[] = [],
): Promise<Thunderbird> {
  const profile = join(directory, 'profile');
  const temporary = join(directory, 'tmp');
  for (const each of [profile, temporary]) await mkdir(each, { recursive: true });
  const port = await freePort();
  await writeFile(join(profile, 'user.js'), preferences(port, here));
  const screen = ['-screen', '0', '1400x1000x24', '-nolisten', 'tcp'];
  const xvfb = await start('Xvfb', ['-displayfd', '1', ...screen], {
    ready: (output) => /^\d+\n/m.test(output),
  });
  const [display] = /^\d+$/m.exec(xvfb.output()) ?? [];
  const options = ['--marionette', '--remote-allow-system-access', '--no-remote', '--profile', profile];
  const thunderbird = await start('thunderbird', options, {
    env: { HOME: directory, TMPDIR: temporary, DISPLAY: `:${display}`, MOZ_CRASHREPORTER_DISABLE: '1' },
    ready: () => accepts(port),
    readyWithinMs: START_MS,
    graceMs: 2000,
  }).catch(async (error: unknown) => {
    await xvfb.stop();
    throw error;
  });
  const stop = async () => {
    await thunderbird.stop();
    await xvfb.stop();
  };
  const marionette = await Marionette.open(port).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  const act = (action: string, values: object) => marionette.act(action, values);
  return {
    addAccount: async (account) => (await act('addAccount', account)) as string,
    acceptKey: async (certificate) => void (await act('acceptKey', { certificate })),
    trustAuthority: async (pem) => void (await act('trustAuthority', { pem })),
    list: async (account, folder, count) => (await act('list', { account, folder, count })) as Row[],
    show: async (account, folder, messageId) => (await act('show', { account, folder, messageId })) as Shown,
    countKeys: async () => (await act('countKeys', {})) as number,
    save: async (attachment) => Buffer.from((await act('save', { attachment })) as string, 'base64'),
    answerAll: async () => (await act('answerAll', {})) as string,
    async reply() {
      const reply = (await act('reply', {})) as Reply;
      return { ...reply, sent: Buffer.from(String(reply.sent), 'base64') };
    },
    draft: async (text) => void (await act('draft', { text })),
    send: async () => void (await act('send', {})),
    async screenshot(file) {
      const { value } = (await marionette.command('WebDriver:TakeScreenshot', { full: true })) as {
        value: string;
      };
      await writeFile(file, Buffer.from(value, 'base64'));
    },
    async stop() {
      marionette.close();
      await stop();
    },
  };
}

function preferences(port: number, here: readonly string[]): string {
  const all = {
    'marionette.port': port,
    'network.dns.localDomains': here.join(','),
    'network.proxy.type': 1,
    ...{ 'network.proxy.http': '127.0.0.1', 'network.proxy.http_port': 1 },
    ...{ 'network.proxy.ssl': '127.0.0.1', 'network.proxy.ssl_port': 1 },
    'app.update.auto': false,
    'datareporting.policy.dataSubmissionEnabled': false,
    'toolkit.telemetry.enabled': false,
    'mail.provider.suppress_dialog_on_startup': true,
    'mail.spotlight.firstRunDone': true,
    'mail.shell.checkDefaultClient': false,
    'mail.rights.version': 1,
    'mailnews.start_page.enabled': false,
    'mail.biff.show_alert': false,
    'mail.inappnotifications.enabled': false,
    'mail.server.default.login_at_startup': false,
    'intl.locale.requested': 'en-US',
  };
  return Object.entries(all)
    .map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});\n`)
    .join('');
}

/** The protocol: `length:[0, id, command, parameters]`, and `length:[1, id, error, result]` for an answer. */
class Marionette {
  readonly #socket: Socket;
  readonly #frames: AsyncGenerator<unknown, undefined>;
  #commands = 0;

  private constructor(socket: Socket) {
    this.#socket = socket;
    this.#frames = framesOf(socket);
  }

  static async open(port: number): Promise<Marionette> {
    const socket = connect(port, '127.0.0.1').setTimeout(SCRIPT_MS + 10_000);
    socket.on('timeout', () => socket.destroy(new Error('Thunderbird does not answer')));
    await once(socket, 'connect');
    const marionette = new Marionette(socket);
    await marionette.#next(); // the greeting
    await marionette.command('WebDriver:NewSession', {});
    await marionette.command('WebDriver:SetTimeouts', { script: SCRIPT_MS });
    await marionette.command('Marionette:SetContext', { value: 'chrome' });
    return marionette;
  }

  async command(name: string, parameters: object): Promise<unknown> {
    const text = JSON.stringify([0, ++this.#commands, name, parameters]);
    this.#socket.write(`${Buffer.byteLength(text)}:${text}`);
    const [, , error, result] = (await this.#next()) as [number, number, unknown, unknown];
    if (error !== null) throw new Error(`${name}: ${JSON.stringify(error)}`);
    return result;
  }

  /** Runs one of the functions of thunderbirdchrome.js. */
  async act(action: string, values: object): Promise<unknown> {
    const { value } = (await this.command('WebDriver:ExecuteAsyncScript', {
      script: ACTIONS,
      args: [action, values],
      sandbox: 'system',
    })) as { value: { value?: unknown; error?: string } };
    if (value.error !== undefined) throw new Error(`Thunderbird, ${action}: ${value.error}`);
    return value.value;
  }

  close(): void {
    this.#socket.destroy();
  }

  async #next(): Promise<unknown> {
    const { value, done } = await this.#frames.next();
    if (done === true) throw new Error('Thunderbird closed the connection');
    return value;
  }
}

async function* framesOf(chunks: AsyncIterable<Buffer>): AsyncGenerator<unknown, undefined> {
  let pending: Buffer = Buffer.alloc(0);
  for await (const chunk of chunks) {
    pending = Buffer.concat([pending, chunk]);
    for (;;) {
      const colon = pending.indexOf(':');
      const end = colon + 1 + Number(pending.subarray(0, Math.max(colon, 0)).toString());
      if (colon === -1 || pending.length < end) break;
      yield JSON.parse(pending.subarray(colon + 1, end).toString());
      pending = pending.subarray(end);
    }
  }
}
