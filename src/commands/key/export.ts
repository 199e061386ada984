/** `sealdir key export --wkd DIR`: the keys of the directory as a Web Key Directory for a web server. */
import { partsOf } from '../../core/address.ts';
import { visible } from '../../core/visible.ts';
import { type JudgedCertificate, judgeEntry } from '../../keys/judgedentry.ts';
import type { Walk } from '../../keys/listing.ts';
import { addressOfUserId } from '../../keys/names.ts';
import { merge } from '../../keys/parsedfiles.ts';
import type { KeyEntry } from '../../keys/source.ts';
import { usedFiles } from '../../keys/survey.ts';
import { type Layout, WebKeyTree } from '../../keys/webkeytree.ts';
import { binaryOf, withUserIds } from '../../keys/writing.ts';
import { CommandError, EXIT } from '../errors.ts';
import { untilInterrupted } from '../interrupt.ts';
import { Progress } from '../progress.ts';
import { canonicalOf, couldNotLook, type KeySite, keySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

export async function run(given: KeyArguments, { stdout, stderr }: Streams): Promise<number> {
  const root = given.text('wkd');
  if (root === undefined || root === '')
    throw new CommandError('usage', 'where to? sealdir key export --wkd DIR');
  const site = await keySite(given.text('config'));
  const wanted = new Set(given.operands.map((each) => canonicalOf(each, site.same)));
  const layout: Layout = given.has('direct') ? 'direct' : 'advanced';
  const walk = await site.directory.walk(wanted.size === 0 ? undefined : wanted).catch(couldNotLook);
  const places = walk.addresses.filter((each) => !each.startsWith('@')).map(partsOf);
  const domains = new Set(places.map(({ domain }) => domain));
  if (layout === 'direct' && domains.size > 1)
    throw new CommandError(
      'usage',
      `--direct is for one domain, not for ${[...domains].join(', ')}: name addresses`,
    );
  const tree = new WebKeyTree(root, layout, site.world);
  const { count, left } = await untilInterrupted(async (pause) => {
    await tree.open();
    const done = await exportAll(walk, tree, site, stderr, pause);
    if (wanted.size === 0) await tree.removeOthers();
    else await tree.removeOf([...wanted].map(partsOf));
    return done;
  }).catch(couldNotWrite);
  const missing = [...wanted].filter((each) => !walk.addresses.includes(each));
  for (const why of [...left, ...missing.map((each) => `${each}: no key file`)])
    stderr.write(`sealdir: ${visible(why)}\n`);
  stdout.write(`${count} addresses are in ${visible(root)}, ${left.length} were left out\n`);
  return missing.length > 0 ? EXIT.noUser : 0;
}

interface Done {
  readonly count: number;
  /** Why some were left out. */
  readonly left: readonly string[];
}

async function exportAll(
  walk: Walk,
  tree: WebKeyTree,
  site: KeySite,
  stderr: NodeJS.WriteStream,
  pause: () => void,
): Promise<Done> {
  const progress = new Progress(stderr, site.world, 'keys', walk.count);
  const left: string[] = [];
  let count = 0;
  try {
    for await (const group of walk.groups()) {
      pause();
      const used = usedFiles(group);
      const address = used[0]?.address;
      // nobody can ask for the key of a domain
      if (address !== undefined && !address.startsWith('@')) {
        const why = await exportKeys(address, await merge(used.map(({ entry }) => entry)), tree, site);
        if (why === undefined) count++;
        else left.push(`${address}: ${why}`);
      }
      progress.step(group.length);
    }
    return { count, left };
  } finally {
    progress.end();
    await tree.save(); // what was written is known, also after Ctrl-C
  }
}

/** Returns why the keys of an address are not exported, or undefined if they are. */
async function exportKeys(
  address: string,
  entry: KeyEntry,
  tree: WebKeyTree,
  { rules, world, same }: KeySite,
): Promise<string | undefined> {
  const place = partsOf(address);
  const [problem] = entry.problems;
  if (problem !== undefined) {
    tree.keep(place); // it may be half written at this moment
    return problem;
  }
  const { certificates } = await judgeEntry(entry, rules, new Date(world.now()));
  const isUsed = ({ state }: JudgedCertificate) => state.reason === undefined;
  // a client may take the first; revoked and expired ones are told all the same
  const inOrder = [...certificates.filter(isUsed), ...certificates.filter((each) => !isUsed(each))];
  const keys: Buffer[] = [];
  for (const { certificate } of inOrder) {
    const own = await withUserIds(certificate, (userId) => addressOfUserId(userId, same) === address);
    if (own !== undefined) keys.push(await binaryOf(own));
  }
  if (keys.length === 0) return 'no user ID of its keys names it';
  const other = await tree.put(place, Buffer.concat(keys));
  return other && `has the same place in a Web Key Directory as ${other}`;
}

function couldNotWrite(error: unknown): never {
  if (error instanceof CommandError) throw error;
  throw new CommandError(
    'tempFail',
    `the Web Key Directory could not be written: ${(error as Error).message}`,
  );
}
