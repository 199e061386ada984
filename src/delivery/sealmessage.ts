/**
 * Message bytes -> sealed bytes for one set of keys, outside of any transaction: for the command `seal`. The
 * same steps as in the spine, with one copy and without the store: CRLF, header, outer fields, literal
 * packet, encryption, armor.
 */
import { CopyFailure } from '../core/errors.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';
import { CanonicalLines } from '../mime/crlf.ts';
import { HeaderScanner } from '../mime/header.ts';
import { type HeaderPolicy, outerFields } from '../mime/policy.ts';
import { LiteralData } from '../openpgp/literal.ts';
import { prepareSealer, type Sealer, type SealParts } from './seal.ts';

export interface SealingOptions extends SealParts {
  readonly keys: SealingKeys;
  readonly headerPolicy: HeaderPolicy;
  readonly maxHeaderBytes: number;
}

// the mail server that pipes the message through us adds its own
const NO_FIELDS = Buffer.alloc(0);

/**
 * Yields the sealed message in pieces, the first ones when its header has been read. `message` may
 * have LF or CRLF line ends, cut anywhere. Throws CopyFailure ('headerTooBig', 'cryptoFailed').
 */
export async function* sealMessage(
  message: AsyncIterable<Buffer>,
  { keys, headerPolicy, maxHeaderBytes, ...parts }: SealingOptions,
): AsyncGenerator<Buffer> {
  const sealer = await prepareSealer(keys, parts);
  const literal = new LiteralData();
  const scanner = new HeaderScanner(maxHeaderBytes);
  const lines = new CanonicalLines();
  const seal = (bytes: Buffer) => sealed(sealer, (emit) => literal.update(bytes, emit));
  let isHeader = true;
  for await (const chunk of message) {
    const bytes = lines.update(chunk);
    if (!isHeader) {
      yield* seal(bytes);
      continue;
    }
    const scan = scanner.update(bytes);
    if (scan.state === 'tooBig') throw new CopyFailure('headerTooBig');
    if (scan.state === 'more') continue;
    isHeader = false;
    yield* sealer.head({ trace: NO_FIELDS, inherited: outerFields(scan.block, headerPolicy) });
    yield* seal(scanner.seen);
  }
  if (isHeader) {
    yield* sealer.head({ trace: NO_FIELDS, inherited: outerFields(scanner.end(), headerPolicy) });
    yield* seal(scanner.seen);
  }
  yield* sealed(sealer, (emit) => literal.final(emit));
  yield* sealer.final();
}

/** Returns what the sealer makes of all blocks that `produce` emits; they are not kept. */
function sealed(sealer: Sealer, produce: (emit: (block: Buffer) => void) => void): Buffer[] {
  const out: Buffer[] = [];
  produce((block) => out.push(...sealer.update(block)));
  return out;
}
