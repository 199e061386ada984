// The memory of deliveries for tests: a state directory and the processes of the server that owns it.

import { createHash, randomBytes } from 'node:crypto';
import { readdirSync, statSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import type { Identified } from '../../src/core/identity.ts';
import type { DeliveryMemory } from '../../src/delivery/duplicate.ts';
import { type MemoryOptions, RememberedDeliveries } from '../../src/duplicates/memory.ts';
import { RECORD_BYTES } from '../../src/duplicates/record.ts';
import { ownStateDirectory } from '../../src/duplicates/statedirectory.ts';
import { lockDescriptor } from '../../src/edge/lock.ts';

export const WINDOW_MS = 80_000;
export const GENERATION_MS = WINDOW_MS / 8;

/** A state directory and the processes of the server that owns it, with a clock that the test sets. */
export async function openState(t: TestContext, mostRecords = 1000) {
  const parent = await mkdtemp(join(tmpdir(), 'sealdir-state-'));
  t.after(() => rm(parent, { recursive: true, force: true }));
  const directory = join(parent, 'state');
  const clock = { now: 1_000_000 };
  const faults: unknown[] = [];
  const opened: { close(): void }[] = [];
  t.after(() => {
    for (const each of opened) each.close();
  });
  const own = async () => {
    const owned = await ownStateDirectory(directory, {
      lock: lockDescriptor,
      world: { random: randomBytes },
    });
    opened.push({ close: owned.release });
    return owned;
  };
  const open = (options: Partial<MemoryOptions> = {}, pid = process.pid) => {
    const world = { now: () => clock.now, random: randomBytes, pid };
    const fault = (error: unknown) => faults.push(error);
    const memory = new RememberedDeliveries({
      directory,
      windowMs: WINDOW_MS,
      world,
      fault,
      mostRecords,
      ...options,
    });
    opened.push(memory);
    return memory;
  };
  const records = () =>
    readdirSync(directory)
      .filter((name) => name.startsWith('delivered.'))
      .map((name) => statSync(join(directory, name)).size / RECORD_BYTES);
  return { parent, directory, clock, faults, own, open, records, files: () => readdirSync(directory).sort() };
}

const hash = (text: string) => createHash('sha256').update(text).digest();
/** 11 bytes of many values, among them line ends. */
export const identity = (n: number, ...paths: string[]) => ({
  copy: hash(`\n\xff${n}.`).toString('latin1', 0, 11),
  paths: (paths.length === 0 ? ['path'] : paths).map(hash),
});
export const account = (n: number) => `account ${n}`;

/** As a delivery does it: asks first, then stores. */
export function deliver(memory: RememberedDeliveries, n: number, ...paths: string[]) {
  const found = memory.find(identity(n, ...paths));
  if (found !== 'stored') memory.begin(identity(n, ...paths), account(n), `file ${n}`).stored();
  return found;
}
export const knows = (memory: RememberedDeliveries, n: number, ...paths: string[]) =>
  memory.find(identity(n, ...paths)) === 'stored';

/** A memory without files and bounds. */
export function memory(): DeliveryMemory & {
  readonly stored: Map<string, Set<string>>;
  interrupted: string | undefined;
} {
  const stored = new Map<string, Set<string>>();
  const pathsOf = ({ paths }: Identified) => paths.map((path) => Buffer.from(path).toString('hex'));
  const keep = (identified: Identified) =>
    stored.set(identified.copy, new Set([...(stored.get(identified.copy) ?? []), ...pathsOf(identified)]));
  const known: ReturnType<typeof memory> = {
    secret: Buffer.alloc(32, 'secret'),
    underWay: new Map(),
    stored,
    interrupted: undefined,
    find(identified) {
      const paths = stored.get(identified.copy);
      if (paths !== undefined && pathsOf(identified).every((path) => paths.has(path))) return 'stored';
      const file = known.interrupted;
      if (file === undefined) return 'unknown';
      return { isFile: (name) => name === file, stored: () => void keep(identified) };
    },
    begin: (identified) => ({ stored: () => void keep(identified), failed() {} }),
  };
  return known;
}
