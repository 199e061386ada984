// The real calls for messages that are replaced where they are, each with a number, and trouble at one.

import { type Calls, realCalls } from '../../src/inplace/calls.ts';

export interface InPlaceCall {
  /** Counts from 1. */
  readonly number: number;
  readonly name: string;
}

export interface InPlaceTrouble {
  /** If it throws, the call fails, and has done nothing. */
  before?(call: InPlaceCall): void;
  /** If it throws, the call fails, and has done its work. */
  after?(call: InPlaceCall): void;
}

/** Wraps every function, and those of what they return. */
export function troubledCalls(trouble: InPlaceTrouble): { calls: Calls; made: InPlaceCall[] } {
  const made: InPlaceCall[] = [];
  const begin = (name: string) => {
    const call = { number: made.length + 1, name };
    made.push(call);
    trouble.before?.(call);
    return call;
  };
  const wrap = <T extends object>(target: T, prefix: string): T =>
    new Proxy(target, {
      get(object, key) {
        const value: unknown = Reflect.get(object, key);
        if (typeof value !== 'function' || key === 'pieces') return value;
        return (...args: unknown[]) => {
          const name = `${prefix}${String(key)}`;
          const isSync = ['replace', 'rename', 'renameOver'].includes(name);
          if (isSync) {
            const call = begin(name);
            const result: unknown = value.apply(object, args);
            trouble.after?.(call);
            return result;
          }
          return (async () => {
            if (name.endsWith('.close')) {
              // closed whatever happens: this process must not run out of descriptors
              await value.apply(object, args);
              trouble.after?.(begin(name));
              return undefined;
            }
            const call = begin(name);
            const result: unknown = await value.apply(object, args);
            const isHandle = ['create', 'open', 'openLocked'].includes(name) && result !== undefined;
            try {
              trouble.after?.(call);
            } catch (error) {
              // the process would be dead, and nothing open any more
              if (isHandle) await (result as { close(): Promise<void> }).close();
              throw error;
            }
            return isHandle ? wrap(result as object, `${name}.`) : result;
          })();
        };
      },
    });
  return { calls: wrap(realCalls, ''), made };
}

export class Stopped extends Error {}

/** From a call on nothing happens any more, as when the process is killed there. */
export function stoppedCalls(at: number, when: 'before' | 'after'): Calls {
  let isStopped = false;
  return troubledCalls({
    before(call) {
      isStopped ||= call.number === at && when === 'before';
      if (isStopped) throw new Stopped('killed');
    },
    after(call) {
      if (call.number !== at || when !== 'after') return;
      isStopped = true;
      throw new Stopped('killed');
    },
  }).calls;
}
