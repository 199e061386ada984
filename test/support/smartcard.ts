// A smartcard for a real gpg-agent: a program in place of scdaemon that has one RSA key, and what the agent
// keeps of a key on a card. Says what it is told to say where it cannot decrypt.

import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as openpgp from 'openpgp';
import { keygripOf } from '../../src/agent/keygrip.ts';
import { readPublicKey } from '../../src/openpgp/publickey.ts';

export interface Smartcard {
  /** Armored. */
  readonly certificate: string;
  /** What the agent has to be told in its configuration. */
  readonly setting: string;
  /** What the card says when it is to decrypt: an error in the words of Assuan, or nothing, and it does. */
  says(error: string): Promise<void>;
}

const SERIAL = 'D2760001240102000005000012340000';
const PIN = '123456';

const DAEMON = `
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
const { n, d } = JSON.parse(readFileSync(import.meta.dirname + '/card.json', 'utf8'));
const power = (base, exponent, modulus) => {
  let result = 1n;
  for (let left = exponent, square = base % modulus; left > 0n; left >>= 1n, square = (square * square) % modulus)
    if (left & 1n) result = (result * square) % modulus;
  return result;
};
const say = (line) => process.stdout.write(line + '\\n');
const escaped = (bytes) => bytes.toString('latin1').replace(/[%\\r\\n]/g, (each) => '%' + each.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0'));
let data = '';
let isAsked = false;
let pin = '';
say('OK card');
for await (const line of createInterface({ input: process.stdin, crlfDelay: 0 })) {
  const [command, ...rest] = line.split(' ');
  if (command === 'D') { pin = rest.join(' ').replaceAll('\\0', ''); continue; }
  if (command === 'SERIALNO') { say('S SERIALNO ${SERIAL}'); say('OK'); }
  else if (command === 'SETDATA') { data = rest.at(-1); say('OK'); }
  else if (command === 'PKDECRYPT') {
    const error = readFileSync(import.meta.dirname + '/card.error', 'utf8');
    if (error !== '') { say(error); continue; }
    isAsked = true;
    say('INQUIRE NEEDPIN Please unlock the card');
  } else if (command === 'END' && isAsked) {
    isAsked = false;
    if (pin !== '${PIN}') { say('ERR 100663383 Bad PIN <SCD>'); continue; }
    const frame = power(BigInt('0x' + data), BigInt('0x' + d), BigInt('0x' + n)).toString(16);
    const bytes = Buffer.from(frame.padStart(frame.length + (frame.length % 2), '0'), 'hex');
    say('S PADDING 0');
    const message = Buffer.from(bytes.subarray(bytes.indexOf(0) + 1));
    process.stdout.write(Buffer.from('D ' + escaped(message) + '\\n', 'latin1'));
    say('OK');
  } else if (command === 'CAN') { isAsked = false; say('ERR 100663395 Operation cancelled <SCD>'); }
  else if (command === 'BYE') { say('OK'); process.exit(0); }
  else if (command === 'GETINFO') { say('ERR 100663571 Unknown <SCD>'); }
  else say('OK');
}
`;

/** Makes a key whose secret part is on the card, and lets the agent of a GnuPG home know of it. */
export async function makeSmartcard(address: string, home: string): Promise<Smartcard> {
  const pair = await openpgp.generateKey({
    type: 'rsa',
    rsaBits: 2048,
    userIDs: [{ email: address }],
    format: 'object',
  });
  const { keyPacket } = await pair.publicKey.getEncryptionKey();
  const key = readPublicKey(keyPacket.write());
  const [secret] = await pair.privateKey.getDecryptionKeys();
  if (key?.numbers.kind !== 'rsa' || secret === undefined) throw new Error('no RSA key');
  const { privateParams } = secret.keyPacket as unknown as { privateParams: { d: Uint8Array } };
  const n = Buffer.from(key.numbers.n);
  const card = { n: n.toString('hex'), d: Buffer.from(privateParams.d).toString('hex') };
  await writeFile(join(home, 'card.json'), JSON.stringify(card));
  await writeFile(join(home, 'card.mjs'), DAEMON);
  const program = join(home, 'scdaemon');
  await writeFile(program, `#!/bin/sh\nexec ${process.execPath} ${join(home, 'card.mjs')}\n`, {
    mode: 0o700,
  });
  const says = (error: string) => writeFile(join(home, 'card.error'), error);
  await says('');
  const atom = (bytes: Uint8Array | string) =>
    Buffer.concat([Buffer.from(`${Buffer.from(bytes).length}:`), Buffer.from(bytes)]);
  const list = (...items: Uint8Array[]) => Buffer.concat([Buffer.from('('), ...items, Buffer.from(')')]);
  const onCard = list(atom(Buffer.from(SERIAL, 'hex')), atom('OPENPGP.2'));
  const numbers = [
    list(atom('n'), atom(Buffer.concat([Buffer.of(0), n]))),
    list(atom('e'), atom(Buffer.of(1, 0, 1))),
    list(atom('shadowed'), atom('t1-v1'), onCard),
  ];
  const stub = list(atom('shadowed-private-key'), list(atom('rsa'), ...numbers));
  await mkdir(join(home, 'private-keys-v1.d'), { recursive: true, mode: 0o700 });
  await writeFile(join(home, 'private-keys-v1.d', `${keygripOf(key.numbers)}.key`), stub);
  return { certificate: pair.publicKey.armor(), setting: `scdaemon-program ${program}`, says };
}
