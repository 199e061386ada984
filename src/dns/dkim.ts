/**
 * The public parts of DKIM keys: from the private key as OpenDKIM and rspamd keep it, from a public key, or
 * from the record that they write beside it. Nothing of a private key leaves this file.
 */
import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { tagsOf } from './tags.ts';

export interface DkimKey {
  readonly selector: string;
  /** The record of text. */
  readonly text: string;
}

const SELECTOR = /^[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?)*$/i;
/** RFC 8301 §3.2: a verifier may not accept less. */
const LEAST_RSA_BITS = 1024;
/** PKCS #8 around the seed of an Ed25519 key (RFC 8410 §7). */
const ED25519_PKCS8 = Buffer.from('302e020100300506032b657004220420', 'hex');
/** SubjectPublicKeyInfo of an Ed25519 key, without the 32 bytes of the key itself at its end. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

/** Returns the selector that a name of a file tells: DOMAIN.SELECTOR.key of rspamd, SELECTOR.private. */
export function selectorOf(file: string, domain: string): string | undefined {
  const name = /([^/]*?)(?:\.(?:private|key|pem|txt))?$/.exec(file)?.[1] ?? '';
  const selector = name.toLowerCase().startsWith(`${domain}.`) ? name.slice(domain.length + 1) : name;
  return isSelector(selector) ? selector : undefined;
}

export function isSelector(text: string): boolean {
  return SELECTOR.test(text) && text.length <= 63;
}

/** Reads a file. Throws an Error whose message is the end of a sentence that begins with the file's name. */
export function dkimKey(selector: string, content: string): DkimKey {
  const text = content.includes('"') ? recordIn(content) : textOf(publicPartOf(content));
  const fault = faultOf(text);
  if (fault !== undefined) throw new Error(fault);
  return { selector, text };
}

/** Returns why a verifier would not use the record, or undefined if it would. */
export function faultOf(text: string): string | undefined {
  const tags = tagsOf(text);
  if (tags.get('v') !== undefined && tags.get('v') !== 'DKIM1') return 'is no DKIM record';
  const key = (tags.get('p') ?? '').replace(/\s/g, '');
  if (key === '') return 'has no key (an empty "p=" revokes it)';
  try {
    const bits = keyOf(tags.get('k') ?? 'rsa', key).asymmetricKeyDetails?.modulusLength;
    return bits !== undefined && bits < LEAST_RSA_BITS
      ? `has a key of ${bits} bits, too small for DKIM`
      : undefined;
  } catch {
    return 'has a key that cannot be read';
  }
}

/** Returns the size of the RSA key of a record; undefined for another key. */
export function rsaBitsOf({ text }: DkimKey): number | undefined {
  const tags = tagsOf(text);
  const key = keyOf(tags.get('k') ?? 'rsa', (tags.get('p') ?? '').replace(/\s/g, ''));
  return key.asymmetricKeyDetails?.modulusLength;
}

function keyOf(kind: string, base64: string): KeyObject {
  const bytes = Buffer.from(base64, 'base64');
  // RFC 8463 §4.2 has the bare key
  const der = kind === 'ed25519' ? Buffer.concat([ED25519_SPKI, bytes]) : bytes;
  return createPublicKey({ key: der, format: 'der', type: 'spki' });
}

/** Returns the strings of a zone file's record, put together. */
function recordIn(content: string): string {
  const strings = [...content.replace(/^\s*;.*$/gm, '').matchAll(/"((?:[^"\\]|\\.)*)"/g)];
  const text = strings.map(([, string = '']) => string.replace(/\\(.)/g, '$1')).join('');
  if (!/^v=DKIM1\s*;/.test(text)) throw new Error('is no DKIM record');
  return text.trim();
}

function textOf(key: KeyObject): string {
  const der = key.export({ type: 'spki', format: 'der' });
  if (key.asymmetricKeyType === 'rsa') return `v=DKIM1; k=rsa; p=${der.toString('base64')}`;
  if (key.asymmetricKeyType !== 'ed25519') throw new Error('is neither an RSA nor an Ed25519 key');
  return `v=DKIM1; k=ed25519; p=${der.subarray(ED25519_SPKI.length).toString('base64')}`;
}

function publicPartOf(content: string): KeyObject {
  try {
    if (content.includes('-----BEGIN ')) return createPublicKey(content);
    // rspamd: the seed, and the public key after it
    const bytes = Buffer.from(content.trim(), 'base64');
    if (bytes.length !== 32 && bytes.length !== 64) throw new Error('of another size');
    const pkcs8 = Buffer.concat([ED25519_PKCS8, bytes.subarray(0, 32)]);
    return createPublicKey(createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' }));
  } catch (error) {
    throw new Error('is neither a DKIM record nor a key without a passphrase', { cause: error });
  }
}
