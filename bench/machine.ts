// Describes the machine, without which the numbers mean nothing: cores, kernel, file system, versions.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { availableParallelism, cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { hasProgram } from '../test/support/peers.ts';
import { run } from '../test/support/process.ts';
import { repositoryRoot } from '../test/support/shared.ts';

export type Machine = Readonly<Record<string, string | number>>;

/** Maps each program to the arguments that make it tell its version. */
const PROGRAMS: Readonly<Record<string, readonly string[]>> = {
  dovecot: ['--version'],
  gpg: ['--version'],
  sqop: ['version'],
  postconf: ['-d', '-h', 'mail_version'],
};

/** Describes the machine and the file system of `directory`, where the stores are. */
export async function describeMachine(directory: string): Promise<Machine> {
  const versions: Record<string, string> = {};
  for (const [program, args] of Object.entries(PROGRAMS))
    versions[program] = hasProgram(program) ? firstLine(await output(program, args)) : 'not installed';
  return {
    date: new Date().toISOString(),
    cpu: cpus()[0]?.model ?? 'unknown',
    cores: availableParallelism(),
    memoryMiB: Math.round(totalmem() / 2 ** 20),
    kernel: release(),
    filesystem: await describeFilesystem(directory),
    node: process.version,
    commit: firstLine(await output('git', ['-C', repositoryRoot(), 'describe', '--always', '--dirty'])),
    openpgp: packageVersion('openpgp'),
    ...versions,
  };
}

/** Tells type, mount options, and whether there is a journal: without one an fsync costs next to nothing. */
export async function describeFilesystem(directory: string): Promise<string> {
  const mount = firstLine(await output('findmnt', ['-n', '-o', 'SOURCE,FSTYPE,OPTIONS', '-T', directory]));
  const [source = '', type = 'unknown', options = ''] = mount.split(/\s+/);
  if (!type.startsWith('ext')) return `${type} (${options})`;
  // jbd2 lists every journal it runs, as `vda-8`: the device and the inode of the journal.
  const name = source.replace(/^\/dev\//, '').replaceAll('/', '!');
  const journals = existsSync('/proc/fs/jbd2') ? readdirSync('/proc/fs/jbd2') : [];
  const hasJournal = journals.some((outcomeLog) => outcomeLog.startsWith(`${name}-`));
  return `${type} ${hasJournal ? 'with' : 'without'} a journal (${options})`;
}

/** Resolves to the output of a program, or to '' if it is missing or fails. */
async function output(program: string, args: readonly string[]): Promise<string> {
  const ran = await run(program, args).catch(() => undefined);
  return ran?.code === 0 ? ran.stdout.toString() : '';
}

function firstLine(text: string): string {
  return text.split('\n')[0] ?? '';
}

function packageVersion(name: string): string {
  const file = join(repositoryRoot(), 'node_modules', name, 'package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}
