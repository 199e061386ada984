/** How the messages of a mailbox are sealed: as those that are delivered to it are, with the keys of now. */
import { CopyFailure } from '../core/errors.ts';
import type { HeaderPolicy } from '../core/headerpolicy.ts';
import { UNMETERED } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { isEncryptedMessage } from '../delivery/keepmessage.ts';
import { sealMessage } from '../delivery/sealmessage.ts';
import type { Form } from '../inplace/staging.ts';
import type { SealingKeys } from '../keys/sessionkeys.ts';
import { isDraft } from './drafts.ts';

export interface FormParts {
  readonly keys: SealingKeys;
  readonly headerPolicy: HeaderPolicy;
  /** Of the folder, such as `.Sent`; '' for the inbox. */
  readonly directory: string;
  readonly maxHeaderBytes: number;
  readonly world: World;
}

/**
 * Subject and recipients of a draft stay outside whatever the policy, where its client put them: Thunderbird
 * takes them from there when the draft is edited, and would go on with a hidden subject (tried with 153).
 */
export function formFor({ keys, headerPolicy, directory, maxHeaderBytes, world }: FormParts): Form {
  return {
    async *seal(message, name) {
      const options = {
        keys,
        headerPolicy: isDraft(directory, name) ? 'visible' : headerPolicy,
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
