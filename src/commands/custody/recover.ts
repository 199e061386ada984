/**
 * `sealdir recover`: a wrapped file and one of its codes or passwords -> an ordinary secret key, which gpg,
 * sq and rnp import. It is locked with what opened the file, unless --no-passphrase says otherwise.
 */
import { dirname, join } from 'node:path';
import { pathSegment } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { Derivations } from '../../custody/kdf.ts';
import { unwrapKey } from '../../custody/slot.ts';
import { realWorld } from '../../edge/world.ts';
import { armoredSecretKey } from '../../keys/transferable.ts';
import { CommandError } from '../errors.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { refuseUnmakeable, writeAll } from '../newfiles.ts';
import { openWithSecret, withoutCores } from './secrets.ts';
import { wrappedAt } from './target.ts';
import { written } from './written.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  await withoutCores(streams);
  const [path] = given.operands;
  if (path === undefined) throw new CommandError('usage', 'recover: which wrapped key? Give its FILE');
  const file = await wrappedAt({ path });
  const into = given.text('into');
  const target = into === undefined ? undefined : `${join(into, pathSegment(file.address))}.secret.asc`;
  if (target !== undefined) await refuseUnmakeable(dirname(target), [target]);
  const { master, slot, text } = await openWithSecret(file, given, streams, new Derivations());
  const secretKey = unwrapKey(file, master);
  master.fill(0);
  if (secretKey === undefined)
    throw new CommandError('data', `${path} is damaged, or was changed: it opens nothing`);
  const armored = await armoredSecretKey(secretKey, given.has('no-passphrase') ? undefined : text);
  secretKey.fill(0);
  if (target === undefined) await written(streams, armored);
  else
    writeAll(
      [{ path: target, content: armored, mode: 0o600 }],
      realWorld('localhost').random(8).toString('hex'),
    );
  streams.stderr.write(`sealdir: ${visible(lockedWith(given, slot.kind))}\n`);
  return 0;
}

function lockedWith(given: KeyArguments, kind: string): string {
  if (given.has('no-passphrase'))
    return 'this secret key has no passphrase: give it one, or destroy it after use';
  if (kind === 'password') return 'the passphrase of this secret key is the password that opened it';
  return 'the passphrase of this secret key is the code, with its dashes and capital letters';
}
