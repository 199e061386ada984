// The delivery path with real keys in a real key directory and with a real temporary store. Each test has its
// own.

import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { type FolderRule, parseFolderRule } from '../../src/core/folderrule.ts';
import type { HeaderPolicy } from '../../src/core/headerpolicy.ts';
import { UNMETERED } from '../../src/core/meter.ts';
import type { Reply } from '../../src/core/outcome.ts';
import type { OutcomeLine } from '../../src/core/outcomelog.ts';
import { Slots } from '../../src/core/slots.ts';
import type { World } from '../../src/core/world.ts';
import type { DeliveryMemory } from '../../src/delivery/duplicate.ts';
import type { DeliveryLimits, DeliveryParts } from '../../src/delivery/parts.ts';
import { Transaction } from '../../src/delivery/transaction.ts';
import type { Disk } from '../../src/disk/disk.ts';
import { openDisk } from '../../src/disk/open.ts';
import { readFields } from '../../src/edge/headerfields.ts';
import { realWorld } from '../../src/edge/world.ts';
import { KeyDirectory } from '../../src/keys/directory.ts';
import type { KeySource } from '../../src/keys/source.ts';
import { MailboxPaths } from '../../src/maildir/mailboxpaths.ts';
import { MaildirPlaces } from '../../src/maildir/places.ts';
import { Store, type StoreParts } from '../../src/maildir/store.ts';
import { Stores } from '../../src/maildir/stores.ts';
import { recipientOf } from '../../src/recipients/answer.ts';
import { KeyFiles } from '../../src/recipients/keyfiles.ts';
import type { RecipientSource } from '../../src/recipients/source.ts';
import { type FreshKey, openSealed } from './freshkey.ts';

let realDisk: Disk | undefined; // one for all sites of a process, since it has threads

export { UNMETERED };

export interface SiteOptions {
  storeParts?: Pick<StoreParts, 'isOwned'>;
  /** The recipients: each has a key file, named after its address. */
  keys?: readonly FreshKey[];
  disk?: Disk;
  world?: Partial<World>;
  limits?: Partial<DeliveryLimits>;
  encrypted?: 'keep' | 'seal';
  keyDirectory?: Pick<KeyDirectory, 'lookup'>;
  /** What was delivered before. If left out, every message is stored. */
  memory?: DeliveryMemory;
  /** Rules for folders: of the site, and of each recipient. */
  rules?: readonly string[];
  ownRules?: readonly string[];
  /** The reverse-path of each message. */
  sender?: string;
  /** By address; `visible` if left out. */
  headerPolicies?: Readonly<Record<string, HeaderPolicy>>;
  /** SIZE of each message, as given in MAIL. */
  size?: number;
}

export interface StoredFile {
  /** Relative to the store, with '/' between segments. */
  readonly path: string;
  readonly bytes: Buffer;
}

export interface Site {
  /** The mail store; Maildirs are `<domain>/<local>` in it. */
  readonly store: string;
  readonly parts: DeliveryParts;
  readonly outcomeLog: readonly OutcomeLine[];
  transaction(): Transaction;
  /** Puts other bytes into the key file of an address. */
  replaceKey(address: string, bytes: Uint8Array): Promise<void>;
  files(): Promise<StoredFile[]>;
}

const LIMITS: DeliveryLimits = {
  maxMessageBytes: 10_000_000,
  maxHeaderBytes: 100_000,
  maxRecipients: 10,
  maxMailboxDeliveries: 10,
  minFreeBytes: 0,
  stallMs: 10_000,
  answerMs: 20_000,
};

const SAME = { localCase: 'ignore', defaultDomain: 'mx.example.com' } as const;

/** Makes a site. It is removed after the test, or earlier by `Symbol.asyncDispose` if a test makes many. */
export async function openSite(t: TestContext, options: SiteOptions = {}): Promise<Site & AsyncDisposable> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-site-'));
  const close = () => rm(directory, { recursive: true, force: true });
  t.after(close);
  const [store, keys] = [join(directory, 'mail'), join(directory, 'keys')];
  await mkdir(store);
  await mkdir(keys);
  const replaceKey = (address: string, bytes: Uint8Array) => writeFile(join(keys, `${address}.asc`), bytes);
  for (const { address, certificate } of options.keys ?? []) await replaceKey(address, certificate);
  const world = { ...realWorld('mx.example.com'), ...options.world };
  realDisk ??= openDisk({ hungMs: 30_000, world: realWorld('mx.example.com') });
  const disk = options.disk ?? realDisk;
  const keyDirectory = options.keyDirectory ?? new KeyDirectory(keys, SAME, world);
  const keySource: KeySource = { keysOf: ({ address }) => keyDirectory.lookup(address) };
  const outcomeLog: OutcomeLine[] = [];
  const siteRules = (options.rules ?? []).map(goodRule);
  const parts: DeliveryParts = {
    world,
    meter: UNMETERED,
    outcomeLog: { outcome: (line) => outcomeLog.push(line), fault: () => {} },
    places: new MaildirPlaces(
      new Stores(new Store({ ...options.storeParts, disk, world, meter: UNMETERED, roots: [store] })),
      new MailboxPaths(join(store, '{domain}/{local}')),
    ),
    mailboxes: new Slots(),
    memory: options.memory,
    keys: keySource,
    addressing: {
      recipients: withRules(new KeyFiles(keySource), options.ownRules),
      same: SAME,
      delimiters: '+',
    },
    keyRules: { unusable: 'defer', subkeys: 'all' },
    folders: { rulesFor: () => siteRules, encoding: 'utf-7', readFields },
    headerPolicyOf: ({ address }) => options.headerPolicies?.[address] ?? 'visible',
    encrypted: options.encrypted ?? 'keep',
    limits: { ...LIMITS, ...options.limits },
  };
  const sender = {
    sender: Buffer.from(options.sender ?? 'sender@example.org'),
    smtpUtf8: false,
    eightBit: false,
    size: options.size ?? 0,
  };
  return {
    store,
    parts,
    outcomeLog,
    transaction: () => new Transaction(parts, sender, { name: 'client.example', address: undefined }),
    replaceKey,
    files: () => filesBelow(store),
    [Symbol.asyncDispose]: close,
  };
}

function goodRule(text: string): FolderRule {
  const rule = parseFolderRule(text);
  if ('problem' in rule) throw new Error(`${text}: ${rule.problem}`);
  return rule;
}

function withRules(source: RecipientSource, rules: SiteOptions['ownRules']): RecipientSource {
  if (rules === undefined) return source;
  const fields = { rules: rules.join('\n') };
  return {
    async find(address) {
      const recipient = await source.find(address);
      return recipient && { ...recipientOf([fields], address, SAME), ...recipient };
    },
  };
}

/** Resolves to every file below a directory. A file that vanishes meanwhile is left out. */
export async function filesBelow(directory: string): Promise<StoredFile[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => join(parentPath, name));
  const files = await Promise.all(
    paths.map(async (path) => {
      const bytes = await readFile(path).catch((error: NodeJS.ErrnoException) => {
        if (error.code !== 'ENOENT') throw error;
      });
      return bytes && { path: path.slice(directory.length + 1), bytes };
    }),
  );
  return files.filter((file) => file !== undefined);
}

export interface Dialogue {
  /** Answers to RCPT. */
  readonly accepted: Reply[];
  /** Answers to DATA. */
  readonly replies: Reply[];
}

/** Sends RCPT for each path and DATA in pieces of `pieceBytes`. Resolves to all replies. */
export async function deliver(
  transaction: Transaction,
  paths: readonly string[],
  message: Buffer,
  pieceBytes = 50_000,
): Promise<Dialogue> {
  const accepted: Reply[] = [];
  for (const path of paths) accepted.push(await transaction.recipient(Buffer.from(`<${path}>`)));
  transaction.start();
  for (let from = 0; from < message.length; from += pieceBytes) {
    await transaction.write([message.subarray(from, from + pieceBytes)]);
  }
  return { accepted, replies: await repliesOf(transaction) };
}

export async function repliesOf(transaction: Transaction): Promise<Reply[]> {
  const replies: Reply[] = [];
  for await (const reply of transaction.finish()) replies.push(reply);
  return replies;
}

/** Returns the codes of replies without their texts, as in `250 2.0.0`. */
export function codesOf(replies: readonly Reply[]): string[] {
  return replies.map(({ code, enhanced }) => `${code} ${enhanced}`);
}

/** Resolves to the messages in new/ of one recipient, decrypted. */
export async function opened(site: Site, key: FreshKey): Promise<Buffer[]> {
  const [local, domain] = key.address.split('@');
  const files = (await site.files()).filter(({ path }) => path.startsWith(`${domain}/${local}/new/`));
  return Promise.all(files.map(async ({ bytes }) => (await openSealed(bytes, [key.secret])).plaintext));
}
