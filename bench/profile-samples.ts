// Samples of perf counted: by part, by function of ours, by kind of thread.

import { samplesIn } from './perf.ts';
import { type Frame, partOf, roomOf } from './profile-parts.ts';

/** Samples by name. */
export type Counts = Map<string, number>;

/** Of one round. */
export interface Profile {
  readonly samples: number;
  readonly parts: Counts;
  readonly functions: Counts;
  readonly threads: Counts;
  /** Parts by kind of thread. */
  readonly partsOf: ReadonlyMap<ThreadKind, Counts>;
}

export const THREAD_KINDS = ['main thread', 'disk threads', "V8's helpers", 'other threads'] as const;
type ThreadKind = (typeof THREAD_KINDS)[number];

/** What was seen of one thread. */
interface Seen {
  kind: ThreadKind;
  samples: number;
  readonly parts: Counts;
}

export async function profileOf(file: string): Promise<Profile> {
  const found = {
    samples: 0,
    parts: new Map(),
    functions: new Map(),
    threads: new Map(),
    partsOf: new Map(),
  };
  const seen = new Map<number, Seen>();
  for await (const { thread, stack } of samplesIn(file)) {
    const own = seen.get(thread) ?? { kind: 'other threads', samples: 0, parts: new Map() };
    seen.set(thread, own);
    own.kind = kindOf(stack) ?? own.kind;
    own.samples++;
    found.samples++;
    const part = partOf(stack);
    add(own.parts, part);
    add(found.parts, part);
    const ours = stack.map(({ symbol }) => roomOf(symbol)).find((room) => room !== undefined);
    if (ours !== undefined) add(found.functions, ours);
  }
  for (const kind of THREAD_KINDS) {
    const sum: Counts = new Map();
    for (const own of [...seen.values()].filter((each) => each.kind === kind)) {
      add(found.threads, kind, own.samples);
      for (const [part, samples] of own.parts) add(sum, part, samples);
    }
    found.partsOf.set(kind, sum);
  }
  return found;
}

/**
 * What a thread is for, by what is at the bottom of a stack of it; undefined where the stack does not reach
 * down there.
 */
function kindOf(stack: readonly Frame[]): ThreadKind | undefined {
  const has = (pattern: RegExp) => stack.slice(-6).some(({ symbol }) => pattern.test(symbol));
  if (has(/node::worker::Worker/)) return 'disk threads';
  if (has(/NodeMainInstance|node::Start/)) return 'main thread';
  return has(/PlatformWorkerThread|v8::platform/) ? "V8's helpers" : undefined;
}

function add(counts: Counts, name: string, by = 1): void {
  counts.set(name, (counts.get(name) ?? 0) + by);
}
