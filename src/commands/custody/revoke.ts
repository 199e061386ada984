/** `sealdir slots revoke`: takes slots away. It needs no secret: an administrator can delete, and no more. */
import { visible } from '../../core/visible.ts';
import { ChangeError, slotNamed, without } from '../../custody/change.ts';
import { changeWrapped } from '../../custody/place.ts';
import { realWorld } from '../../edge/world.ts';
import { CommandError } from '../errors.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { asCommandError, targetOf, wrappedAt } from './target.ts';
import { OLD_COPIES } from './words.ts';

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const { place, rest: names } = await targetOf(given, 'slots revoke');
  if (names.length === 0)
    throw new CommandError('usage', 'slots revoke: which slots? "slots list" shows their names');
  const next = await changeWrapped(
    place,
    async () => {
      let file = await wrappedAt(place);
      for (const name of names) file = without(file, slotNamed(file, name));
      if (file.slots.length === 0 && !given.has('force'))
        throw new ChangeError(
          'no slot would be left, and only the recovery key would open the mail: say --force',
        );
      return file;
    },
    { world: realWorld('localhost') },
  ).catch(asCommandError);
  const left = next.slots.map(({ label }) => `"${label}"`).join(', ') || 'none';
  stdout.write(`${visible(`${next.address}: revoked; left are ${left}`)}\n`);
  stderr.write(`sealdir: ${OLD_COPIES}\n`);
  return 0;
}
