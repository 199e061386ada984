/** The two canonical S-expressions of PKDECRYPT: what is to be decrypted, and what it gave. */
import type { Ciphertext } from '../openpgp/openpkesk.ts';
import { positive } from './keygrip.ts';

/** Returns what gpg-agent decrypts. */
export function encVal(cipher: Ciphertext): Buffer {
  switch (cipher.kind) {
    case 'rsa':
      return list('enc-val', list('rsa', list('a', positive(cipher.c))));
    case 'elgamal':
      return list('enc-val', list('elg', list('a', positive(cipher.c1)), list('b', positive(cipher.c2))));
    case 'ecdh': {
      const { point, wrapped } = cipher;
      const s = Buffer.concat([Buffer.of(wrapped.length), wrapped]);
      return list('enc-val', list('ecdh', list('s', s), list('e', point)));
    }
    default:
      return cipher satisfies never;
  }
}

/** A list of lists is written as it is, any other bytes with their length. */
function list(name: string, ...items: readonly Uint8Array[]): Buffer {
  const written = name.length === 1 ? items.map(atom) : items;
  return Buffer.concat([Buffer.from('('), atom(Buffer.from(name)), ...written, Buffer.from(')')]);
}

function atom(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length}:`), bytes]);
}

/** The number 0 has no bytes: a message may have been made to give it. */
const HEAD = /^\(5:value(0|[1-9]\d{0,4}):/;

/** Returns the value of an answer, or undefined if it is no such answer. A NUL may follow it. */
export function valueIn(answer: Uint8Array): Uint8Array | undefined {
  const [head = '', length] = HEAD.exec(Buffer.from(answer.subarray(0, 20)).toString('latin1')) ?? [];
  if (length === undefined) return undefined;
  const end = head.length + Number(length);
  const rest = Buffer.from(answer.subarray(end)).toString('latin1');
  return rest === ')' || rest === ')\0' ? answer.subarray(head.length, end) : undefined;
}
