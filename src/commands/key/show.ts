/** `sealdir key show`: everything about the keys of one recipient, or about those in a file. */
import { visible } from '../../core/visible.ts';
import { describeParts, type PartOfKey } from '../../keys/description.ts';
import { daysLeft, type JudgedCertificate, judgeEntry } from '../../keys/judgedentry.ts';
import { shortKind } from '../../keys/kind.ts';
import { addressOfUserId } from '../../keys/names.ts';
import { MAX_KEY_FILE_BYTES, parseKeyFile } from '../../keys/parsedfiles.ts';
import type { KeyEntry } from '../../keys/source.ts';
import { usedFiles } from '../../keys/survey.ts';
import { WORDS } from '../../keys/words.ts';
import { Lookup } from '../../lookup.ts';
import { CommandError } from '../errors.ts';
import { readInput } from '../inputfile.ts';
import { couldNotLook, type KeySite, keySite } from './site.ts';
import type { KeyArguments, Streams } from './subcommand.ts';

/** What is shown. */
interface Subject {
  /** Undefined for a file, whose keys may be anybody's. */
  readonly address: string | undefined;
  readonly places: readonly string[];
  readonly entry: KeyEntry;
}

export async function run(given: KeyArguments, { stdout }: Streams): Promise<number> {
  const [wanted] = given.operands;
  if (wanted === undefined)
    throw new CommandError('usage', 'whose keys? sealdir key show ADDRESS, or a FILE (./FILE)');
  const site = await keySite(given.text('config'));
  const subject = isFile(wanted) ? await ofFile(wanted) : await ofAddress(wanted, site);
  const now = new Date(site.world.now());
  const { certificates, seipd } = await judgeEntry(subject.entry, site.rules, now);
  const { address, places, entry } = subject;
  const lines = [
    ...(address === undefined ? [] : [`recipient    ${address}`]),
    ...places.map((place) => `file         ${place}`),
    ...entry.problems.map((problem) => `problem      ${problem}`),
    `sealed       ${seipd === undefined ? 'nothing is, see below why' : `as SEIPD v${seipd}`}`,
  ];
  for (const each of certificates) lines.push('', ...(await linesOf(each, address, site, now)));
  for (const line of lines) stdout.write(`${visible(line)}\n`);
  return 0;
}

/** Tells a file from an address: a path, the name of a key file, or what cannot be an address. */
function isFile(wanted: string): boolean {
  return wanted.includes('/') || !wanted.includes('@') || /\.(asc|pgp|gpg)$/.test(wanted);
}

async function ofFile(file: string): Promise<Subject> {
  const tooLarge = WORDS.tooLarge(MAX_KEY_FILE_BYTES / 1024);
  const bytes = await readInput(file, { what: 'key file', most: MAX_KEY_FILE_BYTES, tooLarge });
  const entry = await parseKeyFile(file, bytes);
  if (entry.problems.length > 0) throw new CommandError('data', ...entry.problems);
  return { address: undefined, places: [file], entry };
}

async function ofAddress(written: string, { settings, world, directory, path }: KeySite): Promise<Subject> {
  const lookup = new Lookup(settings, world);
  try {
    const recipient = await lookup.recipient(written).catch(couldNotLook);
    if ('why' in recipient) throw new CommandError('noUser', `${written}: no such recipient`);
    const entry = await lookup.entry(recipient).catch(couldNotLook);
    if (entry === undefined) throw new CommandError('noUser', `${written}: no key`);
    const { address } = recipient;
    if (recipient.keys !== undefined) return { address, places: ['(from the recipient source)'], entry };
    const domain = address.slice(address.lastIndexOf('@'));
    const files: string[] = [];
    for await (const group of (await directory.walk(new Set([address, domain]))).groups())
      files.push(...usedFiles(group).map(({ file }) => `${path}/${file}`));
    const own = files.filter((file) => !file.startsWith(`${path}/@`) || address.startsWith('@'));
    return { address, places: own.length > 0 ? own : files, entry };
  } finally {
    await lookup.close();
  }
}

async function linesOf(
  { certificate, state, judgement }: JudgedCertificate,
  address: string | undefined,
  { same, world, rules }: KeySite,
  now: Date,
): Promise<string[]> {
  const { primary, fingerprint } = certificate;
  const days = daysLeft(state, now);
  const left = days === undefined ? '' : `, ${days} days left`;
  const parts = await describeParts(certificate, judgement, world.now(), rules);
  const names = (userId: string) =>
    address !== undefined && addressOfUserId(userId, same) === address ? ' (names the recipient)' : '';
  return [
    `certificate  ${fingerprint}`,
    `  version    ${primary.version}, ${shortKind(primary)}, made on ${day(primary.created)}`,
    `  state      ${state.state}${left}${state.reason === undefined ? '' : `: ${state.reason}`}`,
    `  ends       ${state.expiresAt === undefined ? (state.reason === undefined ? 'never' : '-') : day(state.expiresAt)}`,
    ...parts.userIds.map(({ text, trouble }) => `  user ID    ${text}${names(text)}${inBrackets(trouble)}`),
    ...parts.keys.flatMap(linesOfKey),
    ...('leftOut' in judgement ? judgement.leftOut.map((each) => `  left out   ${each}`) : []),
  ];
}

function linesOfKey({ keyId, kind, madeAt, usage, endsAt, notUsed }: PartOfKey): string[] {
  const end = endsAt === undefined ? 'never ends' : `ends on ${day(endsAt)}`;
  return [
    `  key        ${keyId} ${kind}, made on ${day(madeAt)}, ${end}, for ${usage}`,
    `             ${notUsed === undefined ? 'mail is sealed to it' : `not sealed to: ${notUsed}`}`,
  ];
}

function inBrackets(text: string | undefined): string {
  return text === undefined ? '' : ` (${text})`;
}

function day(date: Date): string {
  return date.toISOString().slice(0, 10);
}
