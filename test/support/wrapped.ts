// Wrapped keys for tests: with the cheapest derivation that is read, and any bytes in place of a secret key.

import { randomBytes } from 'node:crypto';
import type { Calls } from '../../src/custody/calls.ts';
import { realCalls } from '../../src/custody/calls.ts';
import { enrol, newCode } from '../../src/custody/enrol.ts';
import { type Cost, Derivations, LEAST_N } from '../../src/custody/kdf.ts';
import { openSlot, type SlotParts, secretOf, unwrapKey } from '../../src/custody/slot.ts';
import type { WrappedFile } from '../../src/custody/wrappedfile.ts';
import { realWorld } from '../../src/edge/world.ts';
import { Stopped } from './stoppedcalls.ts';

export const world = realWorld('localhost');
export const PASSWORD = 'five words from a canary';

const CHEAP: Cost = { N: LEAST_N, r: 8, p: 1 };

export const parts: SlotParts = {
  derivations: new Derivations({ atOnce: 2, waiting: 1000, patienceMs: 60_000 }),
  world,
  cost: CHEAP,
};

export interface Enrolled {
  readonly file: WrappedFile;
  readonly secretKey: Buffer;
  /** A password, a code for a device, and the recovery code. */
  readonly secrets: { readonly password: string; readonly device: string; readonly recovery: string };
}

let usual: Promise<Enrolled> | undefined;

/** Returns one for all files that want no certain one: each of its slots takes a derivation. */
export function usualEnrolled(): Promise<Enrolled> {
  usual ??= enrolled();
  return usual;
}

export async function enrolled(
  address = 'alice@example.com',
  fingerprint = 'A'.repeat(40),
  secretKey: Buffer = randomBytes(300),
  cost: Cost = CHEAP,
): Promise<Enrolled> {
  const secrets = { password: PASSWORD, device: newCode(world), recovery: newCode(world) };
  const slots = Object.entries(secrets).map(([kind, text]) => ({
    kind: kind as keyof typeof secrets,
    label: kind,
    secret: secretOf(text).bytes,
  }));
  return {
    file: await enrol({ address, fingerprint }, secretKey, slots, { ...parts, cost }),
    secretKey,
    secrets,
  };
}

/** Returns the secret key, or undefined if a password or code does not open it. */
export async function keyOf(file: WrappedFile, text: string): Promise<Buffer | undefined> {
  const opened = await openSlot(file, secretOf(text), parts.derivations);
  return opened && unwrapKey(file, opened.master);
}

export interface DiskCall {
  /** Counts from 1. */
  readonly number: number;
  readonly name: string;
}

/** The real calls for wrapped files, each with a number. Whatever a function throws makes a call fail. */
export function troubledDisk(trouble: { before?(call: DiskCall): void; after?(call: DiskCall): void }): {
  calls: Calls;
  made: DiskCall[];
} {
  const made: DiskCall[] = [];
  const wrap = <T extends object>(target: T, prefix: string): T =>
    new Proxy(target, {
      get(object, key) {
        const value: unknown = Reflect.get(object, key);
        if (typeof value !== 'function' || key === 'lock') return value; // a dead process has no lock
        return async (...args: unknown[]) => {
          const call = { number: made.length + 1, name: `${prefix}${String(key)}` };
          made.push(call);
          // closed whatever happens: this process must not run out of descriptors
          if (key === 'close') await value.apply(object, args);
          trouble.before?.(call);
          const result: unknown = key === 'close' ? undefined : await value.apply(object, args);
          try {
            trouble.after?.(call);
          } catch (error) {
            if (key === 'create') await (result as { close(): Promise<void> }).close();
            throw error;
          }
          return key === 'create' ? wrap(result as object, 'create.') : result;
        };
      },
    });
  return { calls: wrap(realCalls, ''), made };
}

/** From a call on nothing happens any more, as when the process is killed there. */
export function stoppedDisk(at: number, when: 'before' | 'after'): Calls {
  let isStopped = false;
  const { calls } = troubledDisk({
    before({ number }) {
      isStopped ||= number === at && when === 'before';
      if (isStopped) throw new Stopped('killed');
    },
    after({ number }) {
      if (number !== at || when !== 'after') return;
      isStopped = true;
      throw new Stopped('killed');
    },
  });
  return calls;
}
