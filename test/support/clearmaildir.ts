// A folder of a Maildir with messages in clear, made by hand as Dovecot would have made it, and whether all
// of it is there, once and whole.

import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { World } from '../../src/core/world.ts';
import { realWorld } from '../../src/edge/world.ts';
import type { Calls } from '../../src/inplace/calls.ts';
import { type FolderParts, sealFolder } from '../../src/inplace/folder.ts';
import { baseOf } from '../../src/maildir/messagename.ts';
import { formFor } from '../../src/stored/form.ts';
import { ENCRYPTIONS, newReader, type Reader } from './sealing.ts';

/** What one message is called, and where it is. */
export interface Made {
  readonly part: 'new' | 'cur';
  readonly name: string;
  readonly uid?: number;
  /** Fields of its line in the UID list. */
  readonly fields?: string;
}

const MADE: readonly Made[] = [
  { part: 'cur', name: '1.M1P1.host,S=SIZE,W=WIRE:2,S', uid: 4 },
  { part: 'cur', name: '2.M2P2.host,S=SIZE:2,FSab', uid: 7, fields: ' P W200' },
  { part: 'cur', name: '3.M3P3.host:2,', uid: 9, fields: ' S100 Gsome' },
  { part: 'new', name: '4.M4P4.host,S=SIZE,W=WIRE', uid: 12 },
  { part: 'new', name: '5.M5P5.host,S=SIZE,W=WIRE' },
  { part: 'cur', name: '6.\xe4 b:2,', uid: 13 },
];
const GONE = '5 :0.M0P0.gone,S=1,W=1';

export interface Told {
  sealed: number;
  left: number;
  failed: string[];
}

export class ClearMaildir {
  readonly folder: string;
  readonly #reader: Reader;
  /** Key of the name -> the message with CRLF, and its UID. */
  readonly #messages = new Map<string, { wire: string; made: Made; mtimeMs: number }>();

  private constructor(folder: string, reader: Reader) {
    this.folder = folder;
    this.#reader = reader;
  }

  static async make(reader?: Reader): Promise<ClearMaildir> {
    const folder = await mkdtemp(join(tmpdir(), 'sealdir-clear-'));
    for (const part of ['tmp', 'new', 'cur']) await mkdir(join(folder, part));
    const maildir = new ClearMaildir(folder, reader ?? (await newReader()));
    for (const [n, made] of MADE.entries()) await maildir.#add(made, n);
    const lines = [...maildir.#messages.values()]
      .filter(({ made }) => made.uid !== undefined)
      .map(({ made }) => `${made.uid}${made.fields ?? ''} :${baseOf(made.name)}\n`);
    lines.splice(1, 0, `${GONE}\n`);
    await writeFile(join(folder, 'dovecot-uidlist'), `3 V1000 N14 Gabc\n${lines.join('')}`, 'latin1');
    await writeIndex(folder);
    return maildir;
  }

  get reader(): Reader {
    return this.#reader;
  }

  async #add(made: Made, n: number): Promise<void> {
    const text = `Subject: number ${n}\n\n${`canary of message ${n}\n`.repeat(n * 5 + 1)}`;
    const wire = text.replaceAll('\n', '\r\n');
    const name = made.name.replace('SIZE', `${text.length}`).replace('WIRE', `${wire.length}`);
    const path = Buffer.from(join(this.folder, made.part, name), 'latin1');
    await writeFile(path, text, { mode: 0o640 });
    const mtime = new Date(Date.UTC(2010 + n, 1, 2, 3, 4, 5, 678));
    await utimes(path, mtime, mtime);
    this.#messages.set(keyIn(name), { wire, made: { ...made, name }, mtimeMs: (await stat(path)).mtimeMs });
  }

  /** Seals the folder. `later`: as if so many milliseconds had gone by. */
  async seal(calls: Calls, options: Partial<FolderParts> & { later?: number } = {}): Promise<Told> {
    const { later = 0, ...rest } = options;
    const real = realWorld('host.example');
    const world: World = { ...real, now: () => real.now() + later };
    const keys = this.#reader.sealingKeys(ENCRYPTIONS[0] ?? { version: 1, keyBytes: 16 });
    const told: Told = { sealed: 0, left: 0, failed: [] };
    let count = 0;
    await sealFolder(Buffer.from(this.folder).toString('latin1'), {
      calls,
      world,
      form: formFor({ keys, headerPolicy: 'visible', directory: '', maxHeaderBytes: 1_000_000, world: real }),
      index: this.folder,
      isTrial: false,
      atOnce: 2,
      count: () => ++count,
      checkRoom: async () => undefined,
      pause: async () => undefined,
      rest: () => undefined,
      grown: async () => undefined,
      report: {
        sealed: () => void told.sealed++,
        left: () => void told.left++,
        failed: (_, name, why) => void told.failed.push(`${name}: ${why}`),
      },
      ...rest,
    });
    return told;
  }

  /** Checks that each message is there once, whole, as it was or sealed, with its flags and date. */
  async check(): Promise<{ sealed: number }> {
    let sealed = 0;
    const found = new Map<string, string>();
    for (const part of ['new', 'cur'])
      for (const name of await this.names(part)) {
        const key = keyIn(name);
        const message = this.#messages.get(key);
        assert.ok(message !== undefined, `${part}/${name} is nobody's`);
        assert.ok(!found.has(key), `${key} is there twice`);
        found.set(key, name);
        assert.equal(part, message.made.part);
        assert.equal(
          name.slice(baseOf(name).length),
          message.made.name.slice(baseOf(message.made.name).length),
        );
        const path = Buffer.from(join(this.folder, part, name), 'latin1');
        const bytes = await readFile(path);
        const stats = await stat(path);
        assert.ok(Math.abs(stats.mtimeMs - message.mtimeMs) < 0.002, `${key} has another date`);
        assert.equal(stats.mode & 0o777, 0o640, key);
        const [armor] =
          /-----BEGIN PGP MESSAGE-----[\s\S]*-----END PGP MESSAGE-----/.exec(String(bytes)) ?? [];
        if (armor === undefined) assert.equal(String(bytes).replaceAll('\n', '\r\n'), message.wire, key);
        else {
          sealed += 1;
          assert.equal(String(await this.#reader.decrypt(dearmored(armor))), message.wire, key);
        }
      }
    assert.equal(found.size, this.#messages.size, 'a message is lost');
    return { sealed };
  }

  /** Checks what a whole run leaves: names that tell the truth, the UIDs of before, and nothing besides. */
  async checkDone(): Promise<void> {
    assert.deepEqual(await this.check(), { sealed: this.#messages.size });
    const list = await readFile(join(this.folder, 'dovecot-uidlist'), 'latin1');
    assert.match(list, /^3 V1000 N14 Gabc\n/);
    assert.ok(list.includes(`\n${GONE}\n`));
    for (const part of ['new', 'cur'])
      for (const name of await this.names(part)) {
        const bytes = await readFile(Buffer.from(join(this.folder, part, name), 'latin1'));
        const size = /,S=(\d+)/.exec(name)?.[1];
        const wire = /,W=(\d+)/.exec(name)?.[1];
        if (size !== undefined) assert.equal(Number(size), bytes.length, name);
        if (wire !== undefined)
          assert.equal(Number(wire), String(bytes).replaceAll('\n', '\r\n').length, name);
        const { made } = this.#messages.get(keyIn(name)) ?? {};
        if (made?.uid === undefined) continue;
        const [line = ''] = list.split('\n').filter((each) => each.startsWith(`${made.uid} `));
        assert.ok(line.endsWith(` :${baseOf(name)}`), `UID ${made.uid} has "${line}", not ${name}`);
        assert.doesNotMatch(line.slice(0, line.indexOf(' :')), / [SW]\d/, 'no size of before');
        if (baseOf(name) !== baseOf(made.name))
          assert.ok(line.includes(made.fields?.includes('G') ? ' Gsome' : ` G${baseOf(made.name)}`), line);
      }
    const beside = (await readdir(this.folder)).filter((name) => /lock|\.tmp$/.test(name));
    assert.deepEqual(beside, []);
  }

  names(part: string): Promise<string[]> {
    return readdir(join(this.folder, part), { encoding: 'latin1' });
  }

  remove(): Promise<void> {
    return rm(this.folder, { recursive: true });
  }
}

function keyIn(name: string): string {
  return baseOf(name).replace(/,.*/, '');
}

function dearmored(armor: string): Buffer {
  const [, base64 = ''] = /\n\n([\s\S]*?)\n(?:=|-----END)/.exec(armor) ?? [];
  return Buffer.from(base64, 'base64');
}

/** An index with a log of one header, and a cache of the number 77 with five records. */
async function writeIndex(folder: string): Promise<void> {
  const log = Buffer.alloc(40);
  log[0] = 1;
  log[1] = 3;
  log.writeUInt16LE(40, 2);
  log.writeUInt32LE(1234, 4);
  await writeFile(join(folder, 'dovecot.index.log'), log);
  const cache = Buffer.alloc(64);
  cache[0] = 1;
  cache[1] = 8;
  cache.writeUInt32LE(1234, 4);
  cache.writeUInt32LE(77, 8);
  cache.writeUInt32LE(5, 16);
  await writeFile(join(folder, 'dovecot.index.cache'), cache);
}
