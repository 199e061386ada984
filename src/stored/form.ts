/** How the messages of a mailbox are sealed: as those that are delivered to it are, with the keys of now. */
import { CopyFailure } from '../core/errors.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { UNMETERED } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { isEncryptedMessage } from '../delivery/keepmessage.ts';
import { sealMessage } from '../delivery/sealmessage.ts';
import type { Form } from '../inplace/staging.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';

export interface Sealed {
  readonly keys: SealingKeys;
  readonly headerPolicy: HeaderPolicy;
}

export function formFor({ keys, headerPolicy }: Sealed, maxHeaderBytes: number, world: World): Form {
  return {
    async *seal(message) {
      const options = {
        keys,
        headerPolicy,
        maxHeaderBytes,
        from: 'the store',
        world,
        meter: UNMETERED,
      } as const;
      try {
        yield* sealMessage(message, options);
      } catch (error) {
        if (!(error instanceof CopyFailure)) throw error;
        const why = error.why === 'headerTooBig' ? 'its header is too large' : 'the encryption failed';
        throw new Error(why, { cause: error });
      }
    },
    isSealed: (message) => isEncryptedMessage(message, maxHeaderBytes),
  };
}
