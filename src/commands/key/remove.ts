/** `sealdir key remove`: takes the keys of a recipient out of the directory, and keeps them aside. */
import { join } from 'node:path';
import { visible } from '../../core/visible.ts';
import { bytesAt } from '../../keys/exchange.ts';
import { CommandError } from '../errors.ts';
import { apply, confirm } from './change.ts';
import type { Change, Plan } from './planned.ts';
import { canonicalOf, couldNotLook, type KeySite, keySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  const [written] = given.operands;
  if (written === undefined) throw new CommandError('usage', 'whose keys? sealdir key remove ADDRESS');
  const site = await keySite(given.text('config'));
  const address = canonicalOf(written, site.same);
  const plan = await planOf(address, site).catch(couldNotLook);
  await confirm([plan], given, streams);
  await apply([plan], site, 'key remove', (done) => {
    for (const { file, kept } of done)
      streams.stdout.write(`${visible(`${address}: ${file} is removed; what it held is in ${kept}`)}\n`);
  });
  return 0;
}

async function planOf(address: string, { directory, path }: KeySite): Promise<Plan> {
  const changes: Change[] = [];
  const keys: string[] = [];
  for await (const group of (await directory.walk(new Set([address]))).groups())
    for (const { file, entry } of group) {
      changes.push({ address, file, expected: await bytesAt(join(path, file)), content: undefined });
      keys.push(...entry.certificates.map(({ fingerprint }) => fingerprint));
    }
  if (changes.length === 0) throw new CommandError('noUser', `${address}: no key file`);
  const named = keys.length === 0 ? 'no key that can be read' : keys.join(', ');
  return {
    address,
    changes,
    added: [],
    toConfirm: [`${address} loses its keys (${named}), and new mail is refused`],
  };
}
