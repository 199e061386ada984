/**
 * A canary: a message that is sealed in memory to the keys of each recipient, found, chosen and used by the
 * code of a delivery, and then taken apart. Without secret keys it cannot be opened, but it can be seen that
 * there is a session-key packet for each key, that the rest is encrypted, and that nothing of the text shows.
 */
import { performance } from 'node:perf_hooks';
import type { Settings } from '../config/settings.ts';
import { UNMETERED } from '../core/meter.ts';
import type { World } from '../core/world.ts';
import { sealMessage } from '../delivery/sealmessage.ts';
import { type Selection, select } from '../delivery/select.ts';
import { realWorld } from '../edge/world.ts';
import { Dearmor } from '../openpgp/dearmor.ts';
import { readPackets } from '../openpgp/packets.ts';
import { keyDirectoryOf, keyRulesOf } from '../site.ts';
import { error, type Finding, note } from './finding.ts';

/** What was counted. */
export interface CanaryCounts {
  /** Addresses with a key file. */
  readonly recipients: number;
  /** Those for whom a message could be sealed now. */
  readonly sealed: number;
  /** Those who have no usable key; other findings say why. */
  readonly unusable: number;
  /** Those who were left out, since it takes long. */
  readonly untried: number;
  /** Keys that the messages were sealed to, those of the site included once for each message. */
  readonly keys: number;
}

const LONGEST_MS = 10_000;
const PKESK = 1;
const SEIPD = 18;

/** Tries all recipients with a key file, as many as there is time for. */
export async function sealCanaries(
  settings: Settings,
  now: Date,
  longestMs = LONGEST_MS,
): Promise<{ findings: Finding[]; counts: CanaryCounts }> {
  const world = { ...realWorld(settings.hostname), now: () => now.getTime() };
  const directory = keyDirectoryOf(settings, world);
  const rules = keyRulesOf(settings, world);
  const addresses = await directory.walk().then(
    (walk) => walk.addresses,
    () => [], // checkKeyDirectory says why
  );
  const counts = { recipients: addresses.length, sealed: 0, unusable: 0, untried: 0, keys: 0 };
  const findings: Finding[] = [];
  const ends = performance.now() + longestMs;
  for (const [n, address] of addresses.entries()) {
    if (performance.now() > ends) {
      counts.untried = addresses.length - n;
      findings.push(
        note(
          'canary-partly',
          `keys.directory: a message was tried for ${n} of ${addresses.length} recipients`,
        ),
      );
      break;
    }
    const entry = await directory.keysOf({ address }).catch(() => undefined); // checkKeys says why
    const selected = entry && (await select(entry, rules, now.getTime()));
    if (selected === undefined || 'why' in selected) {
      counts.unusable++;
      continue;
    }
    const fault = await faultOfCanary(selected, settings, world);
    if (fault === undefined) counts.sealed++;
    else findings.push(canaryFinding(address, fault));
    counts.keys += keyIdsOf(selected).length;
  }
  return { findings, counts };
}

function canaryFinding(address: string, fault: string): Finding {
  const what = `keys.directory: no message can be sealed to the keys of ${address}: ${fault}`;
  return error('canary-failed', what, 'ask its owner for another key, and tell the authors of Sealdir');
}

/** Returns what is wrong with a message that was sealed, or why none could be. */
async function faultOfCanary(
  keys: Selection,
  { headers, lmtp }: Settings,
  world: World,
): Promise<string | undefined> {
  const secret = `canary ${world.random(16).toString('hex')}`;
  const pieces: Buffer[] = [];
  const options = { keys, world, meter: UNMETERED, headerPolicy: headers.policy };
  try {
    for await (const piece of sealMessage(messageWith(secret), {
      ...options,
      maxHeaderBytes: lmtp.max_header_size,
    }))
      pieces.push(piece);
  } catch (failure) {
    const { cause = failure } = failure as Error;
    return cause instanceof Error ? cause.message : String(cause);
  }
  return faultOfSealed(Buffer.concat(pieces), keys, secret);
}

async function* messageWith(secret: string): AsyncGenerator<Buffer> {
  yield Buffer.from(`Subject: canary\r\n\r\n${secret}\r\n`);
}

/** Takes a sealed message apart. Exported for its test. */
export function faultOfSealed(sealed: Buffer, keys: Selection, secret: string): string | undefined {
  if (sealed.includes(secret)) return 'its text is in clear';
  const armor = new Dearmor();
  const binary = Buffer.concat([armor.update(sealed), armor.final()]);
  if (!armor.hasEnded) return 'it has no whole OpenPGP message';
  if (binary.includes(secret)) return 'its text is in clear within the armor';
  const { packets, stoppedAt } = readPackets(binary);
  if (stoppedAt !== undefined) return `it is no packet at octet ${stoppedAt}`;
  const last = packets.at(-1);
  if (last?.tag !== SEIPD || last.body[0] !== keys.encryption.version) return 'it is not encrypted as agreed';
  const others = packets.slice(0, -1);
  if (others.some(({ tag }) => tag !== PKESK)) return 'there are other packets in it';
  const named = others.map(({ body }) => keyIdIn(body)).sort();
  const wanted = [...keyIdsOf(keys)].sort();
  return named.join() === wanted.join()
    ? undefined
    : `it is for ${named.join(', ')}, not ${wanted.join(', ')}`;
}

function keyIdsOf({ usable }: Selection): string[] {
  return usable.flatMap(({ keys }) => keys.map(({ keyId }) => keyId));
}

/** RFC 9580 §5.1.1 and §5.1.2: a version 6 packet has a fingerprint, in front of it its version. */
function keyIdIn(body: Uint8Array): string {
  const hex = (from: number, to: number) =>
    Buffer.from(body.subarray(from, to)).toString('hex').toUpperCase();
  if (body[0] === 3) return hex(1, 9);
  const end = 2 + (body[1] ?? 0);
  return body[2] === 4 ? hex(end - 8, end) : hex(3, 11);
}
