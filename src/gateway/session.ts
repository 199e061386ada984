/**
 * A session from its login on (RFC 3501 §3.3, §3.4): reads the commands of a client, one after the other, and
 * has each done here or by the server behind. Only commands that are known pass, so that no extension leads
 * around what is done here.
 */
import { narrowed } from '../imap/capability.ts';
import { type Command, CommandFault, readCommand } from '../imap/command.ts';
import { fetchOf } from '../imap/fetch.ts';
import { EndedError, type Input, TooLongError } from '../imap/input.ts';
import { CharsetFault, isAboutText, searchOf } from '../imap/search.ts';
import { checkStatus } from '../imap/status.ts';
import { bytesOf, SyntaxFault, type Value, wordOf } from '../imap/values.ts';
import type { Account } from './account.ts';
import { type AppendOptions, appendSealed } from './appending.ts';
import { asksForContent, fetchOpened } from './fetching.ts';
import { type Caches, Mailbox } from './mailbox.ts';
import type { Output } from './output.ts';
import { searchOpened } from './searching.ts';
import { RefusedError, Selected } from './selected.ts';
import type { Answer, Sink, Upstream } from './upstream.ts';

export interface SessionParts {
  readonly input: Input;
  readonly client: Output;
  readonly upstream: Upstream;
  readonly account: Account;
  readonly caches: Caches;
  readonly appending: AppendOptions;
  readonly mostMessageBytes: number;
  /** Is told why a message was not sealed, or a command failed; without any content. */
  complain(what: 'append' | 'command', error: unknown): void;
}

/** These mean the same whether messages are opened or not. */
const PASSED = new Set([
  ...[
    'NOOP',
    'CHECK',
    'CLOSE',
    'UNSELECT',
    'EXPUNGE',
    'UID EXPUNGE',
    'STORE',
    'UID STORE',
    'COPY',
    'UID COPY',
  ],
  ...['MOVE', 'UID MOVE', 'CREATE', 'DELETE', 'RENAME', 'SUBSCRIBE', 'UNSUBSCRIBE', 'LIST', 'LSUB', 'STATUS'],
  ...['NAMESPACE', 'ID', 'GETQUOTA', 'GETQUOTAROOT', 'CAPABILITY', 'LOGOUT'],
]);

export class Session {
  readonly #parts: SessionParts;
  #mailbox: Mailbox | undefined;

  constructor(parts: SessionParts) {
    this.#parts = parts;
  }

  /** What the server behind says, for the client. */
  readonly pass: Sink = async (response) => {
    const { client } = this.#parts;
    if (response.word === 'EXPUNGE') this.#mailbox?.expunged();
    if (response.word !== 'CAPABILITY' && response.word !== 'OK') {
      for await (const piece of response.raw()) await client.add(piece);
      return;
    }
    const line = response.line.toString('latin1');
    const [, validity] = /^\* OK \[UIDVALIDITY (\d+)\]/i.exec(line) ?? [];
    if (validity !== undefined && this.#mailbox !== undefined) this.#mailbox.uidValidity = Number(validity);
    await client.add(`${narrowed(line)}\r\n`);
  };

  /**
   * Resolves when the client has logged out, or has sent more than it may. Throws EndedError if one of the
   * sides has gone.
   */
  async run(): Promise<void> {
    const { client, upstream } = this.#parts;
    try {
      await this.#run();
    } catch (error) {
      if (!(error instanceof TooLongError) || error === upstream.failure) throw error;
      await client.line(`* BYE ${error.message}`);
    }
  }

  async #run(): Promise<void> {
    const { input, client, caches } = this.#parts;
    for (;;) {
      try {
        const command = await readCommand(input, () => client.line('+ OK'));
        // before the answer, after which the client goes, and the process with it
        if (command.name === 'LOGOUT') await caches.settle?.();
        await this.#answer(command);
        if (command.name === 'LOGOUT') return;
      } catch (error) {
        if (!(error instanceof CommandFault)) throw error;
        await client.line(`${error.tag} BAD ${error.message}`);
      }
    }
  }

  async #answer(command: Command): Promise<void> {
    const { client, complain } = this.#parts;
    const { tag } = command;
    try {
      const { text } = await this.#done(command);
      await client.write(Buffer.from(`${tag} ${narrowed(text)}\r\n`));
    } catch (error) {
      if (error instanceof EndedError || error instanceof TooLongError) throw error;
      if (error instanceof RefusedError) return client.line(`${tag} ${error.answer.text}`);
      if (error instanceof SyntaxFault) return client.line(`${tag} BAD ${error.message}`);
      if (error instanceof CharsetFault)
        return client.line(`${tag} NO [BADCHARSET (UTF-8)] ${error.message}`);
      complain('command', error);
      await client.line(`${tag} NO [SERVERBUG] that could not be done`);
    }
  }

  /** Does a command but for its tagged line. */
  #done(command: Command): Promise<Answer> {
    const { name } = command;
    switch (name) {
      case 'FETCH':
      case 'UID FETCH':
        return this.#fetch(command);
      case 'SEARCH':
      case 'UID SEARCH':
        return this.#search(command);
      case 'APPEND':
        return this.#append(command);
      case 'SELECT':
      case 'EXAMINE':
        return this.#select(command);
      case 'IDLE':
        return this.#idle(command);
      case 'ENABLE':
        return this.#enable(command);
      default:
        if (name === 'STATUS' || name === 'LIST') checkStatus(name, command.values());
        if (!PASSED.has(name)) throw new SyntaxFault('that command is not known here');
        if (name === 'CLOSE' || name === 'UNSELECT') this.#mailbox = undefined;
        return this.#relay(command);
    }
  }

  #relay({ tag, segments }: Command): Promise<Answer> {
    return this.#parts.upstream.relay(tag, segments, this.pass);
  }

  get #selected(): Selected | undefined {
    const { account, client, upstream, caches, complain } = this.#parts;
    const { opener } = account;
    if (this.#mailbox === undefined || opener === undefined) return undefined;
    return new Selected(this.#mailbox, { client, upstream, opener, caches, complain, pass: this.pass });
  }

  async #fetch(command: Command): Promise<Answer> {
    const parsed = fetchOf(command.segments, command.argumentsAt);
    const selected = this.#selected;
    if (selected === undefined || !asksForContent(parsed)) return this.#relay(command);
    await fetchOpened(selected, parsed, command.name === 'FETCH' ? 'number' : 'uid');
    return selected.completed('FETCH');
  }

  async #search(command: Command): Promise<Answer> {
    const parsed = searchOf(command.values());
    const selected = this.#selected;
    if (selected === undefined || !isAboutText(parsed.tree)) return this.#relay(command);
    const by = command.name === 'SEARCH' ? 'number' : 'uid';
    await searchOpened(selected, parsed, by);
    return selected.completed('SEARCH');
  }

  async #select(command: Command): Promise<Answer> {
    const [name, parameters, extra] = command.values();
    const isPlain = parameters === undefined || isCondstore(parameters);
    if (!isPlain || extra !== undefined) throw new SyntaxFault('that parameter is not known here');
    const written = bytesOf(name).toString('latin1');
    this.#mailbox = new Mailbox(written.toUpperCase() === 'INBOX' ? 'INBOX' : written);
    const answer = await this.#relay(command);
    if (answer.word !== 'OK') this.#mailbox = undefined;
    return answer;
  }

  #idle({ tag }: Command): Promise<Answer> {
    const { upstream, client, input } = this.#parts;
    return upstream.dialogue(tag, 'IDLE', this.pass, async () => {
      await client.line('+ idling');
      const line = await input.line(64);
      if (line.toString('latin1').toUpperCase() !== 'DONE') throw new TooLongError('IDLE ends with DONE');
      return line;
    });
  }

  async #enable(command: Command): Promise<Answer> {
    const { upstream, client } = this.#parts;
    if (command.values().some((each) => wordOf(each) === 'CONDSTORE'))
      return upstream.relay(command.tag, [Buffer.from(`${command.tag} ENABLE CONDSTORE`)], this.pass);
    await client.line('* ENABLED');
    return { word: 'OK', text: 'OK ENABLE completed' };
  }

  #append(command: Command): Promise<Answer> {
    return appendSealed(command, { ...this.#parts, pass: this.pass });
  }
}

function isCondstore(value: Value): boolean {
  return value.kind === 'list' && value.items.length === 1 && wordOf(value.items[0]) === 'CONDSTORE';
}
