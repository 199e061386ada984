// Measures how fast sealed messages are opened. See `about`.

import * as openpgp from 'openpgp';
import { parseCertificates } from '../src/keys/certificates.ts';
import { judgeCertificate } from '../src/keys/judgement.ts';
import type { Opener } from '../src/keys/opening.ts';
import { readSecretKeys } from '../src/keys/secretfile.ts';
import { sealingKeysOf } from '../src/keys/sessionkeys.ts';
import { openPackets } from '../src/opening/open.ts';
import { SecretOpener } from '../src/opening/secretopener.ts';
import { packetsIn } from '../src/opening/source.ts';
import { messageOfSize } from '../test/support/fixtures.ts';
import { sealTo } from '../test/support/sealto.ts';
import type { Bar, Bench, Row } from './bench.ts';
import { type KeyKind, makePair } from './keys.ts';
import { short } from './rate.ts';
import { type Contestant, contest } from './rounds.ts';

const SMALL = 10_000;
const LARGE = 27_000_000;
const CASES: readonly (readonly [KeyKind, number])[] = [
  ['cv25519, v1', SMALL],
  ['cv25519, v2 GCM', SMALL],
  ['cv25519, v2 OCB', SMALL],
  ['x25519 v6 key, v2 OCB', SMALL],
  ['nistp256, v1', SMALL],
  ['rsa2048, v1', SMALL],
  ['rsa4096, v1', SMALL],
  ['cv25519, v1', LARGE],
  ['cv25519, v2 GCM', LARGE],
];
/** Different messages, so that no answer is remembered. */
const MESSAGES = 20;
const WARM_UPS = 10;
/** How often each message is opened in a round; with RSA, openpgp.js takes long. */
const TIMES = 10;
const AT_LEAST = 5;

export const opening: Bench = {
  name: 'opening',
  about: `Measures how long it takes to open a stored message in memory: from its armor to all of its bytes, verified, with a
secret key that was read before. Sealdir's own code and openpgp.js take turns in one process, after a warm-up. Ratios
are of the CPU time of the process in each round, since that holds where the machine has other work too; on a quiet one
it is the time that passes, but for what other threads do meanwhile.`,

  async run(bed) {
    const rows: Row[] = [];
    const bars: Bar[] = [];
    for (const [kind, bytes] of CASES) {
      bed.progress(`opening: ${kind}, ${bytes} bytes`);
      const rounds = bytes === SMALL ? bed.pick(5, 25) : bed.pick(3, 9);
      const [ours, theirs] = await contest(await contestants(kind, bytes), rounds);
      if (ours === undefined || theirs === undefined) continue;
      rows.push({
        key: kind,
        bytes,
        'Sealdir, CPU ms': short(1000 / ours.speed),
        'openpgp.js, CPU ms': short(1000 / theirs.speed),
        ratio: short(theirs.ratio),
        lowest: short(theirs.spread[0]),
        highest: short(theirs.spread[1]),
      });
      const isGoal = kind.startsWith('cv25519') && bytes === SMALL;
      const label = `${kind}, ${bytes === SMALL ? '10 kB' : '27 MB'}`;
      bars.push({ label, value: theirs.ratio, ...(isGoal ? { atLeast: AT_LEAST } : {}) });
    }
    return {
      tables: [{ title: 'one message, from armor to its bytes', rows }],
      chart: { title: 'Opening: Sealdir as multiple of openpgp.js', unit: 'x', bars },
      notes: ['openpgp.js does OCB in JavaScript.'],
      leftOut: [],
    };
  },
};

async function contestants(kind: KeyKind, bytes: number): Promise<Contestant[]> {
  const { publicKey, privateKey } = await makePair(kind);
  const messages: Buffer[] = [];
  for (let n = 0; n < (bytes === SMALL ? MESSAGES : 1); n++) messages.push(await sealed(publicKey, bytes));
  const opener = new SecretOpener(await readSecretKeys(Buffer.from(privateKey)), async () => undefined);
  const key = await openpgp.readPrivateKey({ armoredKey: privateKey });
  const armors = messages.map((message) => message.toString('latin1'));
  const times = bytes === SMALL && !kind.startsWith('rsa') ? TIMES : 1;
  return [
    inTurn('Sealdir', messages, times, async (message) => (await openedBySealdir(message, opener)) >= bytes),
    inTurn('openpgp.js', armors, times, async (armor) => (await openedByOpenpgpjs(armor, key)) >= bytes),
  ];
}

async function sealed(certificate: string, bytes: number): Promise<Buffer> {
  const [parsed] = await parseCertificates(Buffer.from(certificate));
  const usable = parsed && (await judgeCertificate(parsed, new Date(), { subkeys: 'all' }));
  if (usable === undefined || 'reason' in usable) throw new Error('no usable certificate');
  return sealTo(sealingKeysOf([usable]), messageOfSize(bytes));
}

/** Opens each message a number of times in a round; before the first one more often, for V8 to compile. */
function inTurn<T>(
  name: string,
  messages: readonly T[],
  times: number,
  open: (message: T) => Promise<boolean>,
): Contestant {
  const all = async () => {
    for (let n = 0; n < times; n++)
      for (const message of messages) if (!(await open(message))) throw new Error(`${name}: too little`);
  };
  return {
    name,
    async speed(round) {
      for (let n = 0; round === 0 && n < (times === 1 ? 1 : WARM_UPS); n++) await all();
      const before = process.cpuUsage();
      await all();
      const { user, system } = process.cpuUsage(before);
      return (1e6 * times * messages.length) / (user + system);
    },
  };
}

async function openedBySealdir(message: Buffer, opener: Opener): Promise<number> {
  const opened = await openPackets(packetsIn(message), opener);
  let bytes = 0;
  for await (const piece of opened.pieces()) bytes += piece.length;
  return bytes;
}

async function openedByOpenpgpjs(
  armoredMessage: string,
  decryptionKeys: openpgp.PrivateKey,
): Promise<number> {
  const message = await openpgp.readMessage({ armoredMessage });
  const { data } = await openpgp.decrypt({ message, decryptionKeys, format: 'binary' });
  return (data as Uint8Array).length;
}
