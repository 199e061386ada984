/** `sealdir slots export`: the wrapped file of an address, to be kept elsewhere, or changed and imported. */
import { textOf } from '../../custody/wrappedfile.ts';
import type { KeyArguments, Streams } from '../key/subcommand.ts';
import { targetOf, wrappedAt } from './target.ts';
import { written } from './written.ts';

export async function run(given: KeyArguments, streams: Streams): Promise<number> {
  const { place } = await targetOf(given, 'slots export');
  await written(streams, textOf(await wrappedAt(place)));
  return 0;
}
