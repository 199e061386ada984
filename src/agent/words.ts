/** What gpg-agent answers in place of a number, in words for its user. Codes are those of libgpg-error. */
import { visible } from '../core/visible.ts';
import type { Answer } from './assuan.ts';

type Refusal = Extract<Answer, { kind: 'error' }>;

const CARD = 'the card with the secret key it needs cannot be used';

/** Those with which somebody was asked in vain, or cannot be asked: they would be asked again in vain. */
const FINAL: Readonly<Record<number, string>> = {
  11: 'the passphrase does not unlock the secret key it needs',
  62: 'nobody has entered the passphrase of the secret key it needs in time',
  85: 'gpg-agent cannot ask for the passphrase of the secret key it needs: no pinentry is installed',
  86: 'gpg-agent cannot ask for the passphrase of the secret key it needs: set GPG_TTY to the output of tty',
  87: 'the PIN does not unlock the card with the secret key it needs',
  99: 'the passphrase or PIN of the secret key it needs was not entered',
  108: CARD,
  109: CARD,
  110: 'the card with the secret key it needs was removed',
  111: CARD,
  112: 'the card with the secret key it needs is not there',
  114: 'the use of the secret key it needs was not confirmed',
  119: `${CARD}: GnuPG has no scdaemon`,
  120: CARD,
  123: CARD,
  130: 'the card with the secret key it needs is locked: too many wrong PINs',
  177: 'the secret key it needs is locked, and gpg-agent was given no passphrase',
  178: 'the card with the secret key it needs is locked, and gpg-agent was given no PIN',
  198: 'the passphrase or PIN of the secret key it needs was not entered',
};
const DAMAGED = 'its session key was changed on its way';
const OTHERS: Readonly<Record<number, string>> = {
  17: 'gpg-agent does not have the secret key it needs',
  65: DAMAGED,
  79: DAMAGED,
  89: DAMAGED,
  152: DAMAGED,
};
const MOST_TEXT = 100;

/** Returns the end of a sentence for the terminal. */
export function wordsOf({ code, text }: Refusal): string {
  const words = FINAL[code] ?? OTHERS[code];
  return (
    words ?? `gpg-agent refuses: ${visible(text.slice(0, MOST_TEXT)) || 'it does not say why'} (${code})`
  );
}

/** Tells whether the same key would be refused for every message. */
export function isFinal(code: number): boolean {
  return code in FINAL;
}
