/**
 * The message as the copies with one header policy hold it: framed as a literal packet once, and each block
 * of that given to all of them. A message has one of these for each policy among its recipients, which is one
 * in all as a rule.
 */

import type { HeaderPolicy } from '../core/headerpolicy.ts';
import type { Hop } from '../core/hop.ts';
import { type SplitHeader, splitHeader } from '../mime/inner.ts';
import { literalNameOf } from '../mime/insertions.ts';
import { sealedField } from '../mime/sealedfield.ts';
import { LiteralData } from '../openpgp/literal.ts';
import type { Destination } from './admission.ts';
import { fanOut } from './fanout.ts';
import { type Arriving, Keeping } from './keeping.ts';
import type { DeliveryParts } from './parts.ts';
import { Passthrough } from './passthrough.ts';
import type { OuterFields } from './seal.ts';

/** What to wait for before the next bytes. */
export type Waits = (Promise<void> | undefined)[];

export class Framed {
  readonly destinations: readonly Destination[];
  readonly header: SplitHeader;
  readonly #keeping: Keeping | undefined; // for a message that may be encrypted already
  readonly #literal: LiteralData;
  readonly #stallMs: number;

  constructor(
    destinations: readonly Destination[],
    header: SplitHeader,
    keeping: Keeping | undefined,
    stallMs: number,
  ) {
    this.destinations = destinations;
    this.header = header;
    this.#keeping = keeping;
    this.#literal = new LiteralData(literalNameOf(header.insertions));
    this.#stallMs = stallMs;
  }

  /** Returns what stands above the armor of a copy. */
  outer(trace: Buffer): OuterFields {
    return { trace: Buffer.concat([trace, this.header.own]), inherited: this.header.outside };
  }

  /** Takes bytes of the message. */
  update(bytes: Buffer): Waits {
    const waits = this.#spread((emit) => this.#literal.update(bytes, emit));
    return this.#keeping === undefined ? waits : [...waits, this.#keeping.update(bytes)];
  }

  final(): Waits {
    return [...this.#spread((emit) => this.#literal.final(emit)), this.#keeping?.end()];
  }

  #spread(produce: (emit: (block: Buffer) => void) => void): Waits {
    const lanes = this.destinations.map(({ copy }) => copy);
    const waits: Waits = [];
    produce((block) => waits.push(fanOut(lanes, block, this.#stallMs)));
    return waits;
  }
}

/** Returns one for each policy, in the order of their first recipients. */
export function framedByPolicy(
  message: Arriving & { readonly hop: Hop },
  destinations: readonly Destination[],
  parts: Pick<DeliveryParts, 'headerPolicyOf' | 'encrypted' | 'limits' | 'world'>,
): Framed[] {
  const { headerPolicyOf, encrypted, limits, world } = parts;
  const own = sealedField({ host: world.host, at: world.now(), hop: message.hop });
  const groups = new Map<HeaderPolicy, Destination[]>();
  for (const each of destinations) {
    const policy = headerPolicyOf(each.copy.account);
    const group = groups.get(policy);
    if (group === undefined) groups.set(policy, [each]);
    else group.push(each);
  }
  return [...groups].map(([policy, group]) => {
    // a policy that hides fields hides them on every message, so these copies are sealed
    const judge =
      encrypted === 'keep' && policy === 'visible' ? Passthrough.of(message.header, message.seen) : undefined;
    const keeping = judge && new Keeping(judge, message, group, limits.stallMs);
    return new Framed(group, splitHeader(message.header, policy, own), keeping, limits.stallMs);
  });
}

export async function allOf(waits: readonly Waits[]): Promise<void> {
  for (const wait of waits.flat()) await wait;
}
