/** The files that `sealdir dns` reads: certificates of the mail server, keys to come, DKIM keys. */
import { ask } from '../../check/program.ts';
import type { Settings } from '../../config/settings.ts';
import { type DkimKey, dkimKey, isSelector, selectorOf } from '../../dns/dkim.ts';
import { certifiedKeys, nextKey, type PemFile, type ServerKey } from '../../dns/serverkey.ts';
import { tlsFilesOf } from '../../site.ts';
import { CommandError } from '../errors.ts';
import { readInput } from '../inputfile.ts';

const MOST_BYTES = 1024 * 1024;

export interface KeyFiles {
  readonly host: string;
  readonly settings: Settings;
  /** Named by the operator; if there is none, Postfix is asked, and then the configuration. */
  readonly certificates: readonly string[];
  readonly next: readonly string[];
}

/** Reads each key once. Throws CommandError for a file that is not what it should be. */
export async function readServerKeys({ host, settings, certificates, next }: KeyFiles): Promise<ServerKey[]> {
  const keys: ServerKey[] = [];
  for (const file of certificates) keys.push(...(await certified([file])));
  if (certificates.length === 0)
    for (const chain of await chainsOfPostfix()) keys.push(...(await certified(chain)));
  if (keys.length === 0)
    for (const file of tlsFilesOf(settings).certificates)
      keys.push(...(await certified([file])).filter(({ certificate }) => certificate?.checkHost(host)));
  for (const file of next) {
    const pem = await textOf(file, 'key');
    keys.push(attempt(file, () => nextKey({ file, pem })));
  }
  const identity = ({ publicKey }: ServerKey) => publicKey.export({ type: 'spki', format: 'pem' });
  return keys.filter((key, n) => keys.findIndex((each) => identity(each) === identity(key)) === n);
}

/** Reads certificates; a chain may go on in the next of the files, as Postfix has it. */
async function certified(files: readonly string[]): Promise<ServerKey[]> {
  const read: PemFile[] = [];
  for (const file of files) read.push({ file, pem: await textOf(file, 'certificate') });
  return attempt(files.join(', '), () => certifiedKeys(read));
}

/** Returns the files that Postfix shows to others, those of one chain together; none without Postfix. */
async function chainsOfPostfix(): Promise<string[][]> {
  const names = ['smtpd_tls_chain_files', 'smtpd_tls_eccert_file', 'smtpd_tls_cert_file'];
  const answer = await ask('postconf', ['-xh', ...names]);
  if (!('output' in answer)) return [];
  const [chains = '', ...single] = answer.output.split('\n').map((line) => line.trim());
  // postconf(5): with chain files, the others are not used
  const files = chains === '' ? single.map((file) => [file]) : [chains.split(/[\s,]+/)];
  return files.filter(([file]) => file?.startsWith('/'));
}

/** Reads DKIM keys: `selector=FILE`, or a file whose name or text tells the selector. */
export async function readDkim(named: readonly string[], domain: string): Promise<DkimKey[]> {
  const keys: DkimKey[] = [];
  for (const each of named) {
    const [, given, path = each] = /^([^/=]+)=(.+)$/s.exec(each) ?? [];
    const content = await textOf(path, 'DKIM key');
    const [, inText] = /^([^\s"]+)\._domainkey[.\s]/m.exec(content) ?? [];
    const selector = (given ?? inText ?? selectorOf(path, domain))?.toLowerCase();
    if (selector === undefined || !isSelector(selector))
      throw new CommandError('usage', `${path} does not tell its selector: write --dkim SELECTOR=${path}`);
    if (keys.some((key) => key.selector === selector))
      throw new CommandError('usage', `the selector ${selector} is given twice (--dkim)`);
    keys.push(attempt(path, () => dkimKey(selector, content)));
  }
  return keys;
}

async function textOf(path: string, what: string): Promise<string> {
  return (await readInput(path, { what, most: MOST_BYTES })).toString('utf8');
}

function attempt<T>(file: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new CommandError('data', `${file} cannot be used: ${why}`);
  }
}
