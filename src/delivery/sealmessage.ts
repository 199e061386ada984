/**
 * Message bytes -> sealed bytes for one set of keys, outside of any transaction: for the command `seal`, and
 * for what is in a store already. The same steps as in the spine, with one copy and without the store: CRLF,
 * header, outer fields, literal packet, encryption, armor.
 */
import { CopyFailure } from '../core/errors.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import type { Hop } from '../core/hop.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';
import { CanonicalLines } from '../mime/crlf.ts';
import { type HeaderBlock, HeaderScanner } from '../mime/header.ts';
import { hopOf, type IsOwn } from '../mime/hop.ts';
import { splitHeader } from '../mime/inner.ts';
import { literalNameOf, withInsertions } from '../mime/insertions.ts';
import { deliveryFields } from '../mime/policy.ts';
import { sealedField, sealedLaterField } from '../mime/sealedfield.ts';
import { LiteralData } from '../openpgp/literal.ts';
import { prepareSealer, type Sealer, type SealParts } from './seal.ts';

export interface SealingOptions extends SealParts {
  readonly keys: SealingKeys;
  readonly headerPolicy: HeaderPolicy;
  readonly maxHeaderBytes: number;
  /** How the message came, or which machines pass mail on to the mail server, whose trace field tells it. */
  readonly hop?: Hop;
  readonly isOwn?: IsOwn;
  /** Left out: it is on its way to a mail server, which adds trace fields. */
  readonly from?: 'the store';
}

/**
 * Yields the sealed message in pieces, the first ones when its header has been read. `message` may
 * have LF or CRLF line ends, cut anywhere. Throws CopyFailure ('headerTooBig', 'cryptoFailed').
 */
export async function* sealMessage(
  message: AsyncIterable<Buffer>,
  { keys, headerPolicy, maxHeaderBytes, hop, isOwn, from, ...parts }: SealingOptions,
): AsyncGenerator<Buffer> {
  const sealer = await prepareSealer(keys, parts);
  const scanner = new HeaderScanner(maxHeaderBytes);
  const lines = new CanonicalLines();
  let literal: LiteralData | undefined; // once the header is complete
  function* begin(block: HeaderBlock): Generator<Buffer, LiteralData> {
    const { host } = parts.world;
    const at = parts.world.now();
    const field =
      from === undefined
        ? sealedField({ host, at, hop: hop ?? hopOf(block, isOwn) })
        : sealedLaterField({ host, at });
    const { outside, insertions, own } = splitHeader(block, headerPolicy, field);
    // the mail server that pipes the message through us adds its own trace fields
    const delivered = from === undefined ? [] : [deliveryFields(block, headerPolicy)];
    yield* sealer.head({ trace: Buffer.concat([...delivered, own]), inherited: outside });
    const begun = new LiteralData(literalNameOf(insertions));
    for (const piece of withInsertions(scanner.seen, insertions))
      yield* sealed(sealer, (emit) => begun.update(piece, emit));
    return begun;
  }
  for await (const chunk of message) {
    const bytes = lines.update(chunk);
    if (literal !== undefined) {
      const begun = literal;
      yield* sealed(sealer, (emit) => begun.update(bytes, emit));
      continue;
    }
    const scan = scanner.update(bytes);
    if (scan.state === 'tooBig') throw new CopyFailure('headerTooBig');
    if (scan.state === 'complete') literal = yield* begin(scan.block);
  }
  const whole = literal ?? (yield* begin(scanner.end()));
  yield* sealed(sealer, (emit) => whole.final(emit));
  yield* sealer.final();
}

/** Returns what the sealer makes of all blocks that `produce` emits; they are not kept. */
function sealed(sealer: Sealer, produce: (emit: (block: Buffer) => void) => void): Buffer[] {
  const out: Buffer[] = [];
  produce((block) => out.push(...sealer.update(block)));
  return out;
}
