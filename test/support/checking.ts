// A site in which `sealdir check` finds nothing to mend, for tests that then break one thing. Commands run as
// a user that is not root, even where the tests do: root may do everything.

import { chmod, chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CLI } from './child.ts';
import { hasProgram, leftOut } from './peers.ts';
import { type Ran, type RunOptions, run } from './process.ts';
import { makeSite } from './sealdir.ts';

export interface CheckedSite {
  readonly directory: string;
  /** Path below the directory of the site. */
  at(...parts: string[]): string;
  /** Writes the configuration; `changes` are lines of TOML by section, which replace the site's own. */
  configure(changes?: Changes): Promise<void>;
  /**
   * Keeps the Postfix and the Dovecot that this machine may have out of it: its postconf fails, and at once,
   * whereas the real one would first sleep for a second.
   */
  readonly withoutPostfix: Record<string, string>;
  /** Runs a command with the configuration; without Postfix, unless `env` is given. */
  sealdir(command: 'check' | 'serve', options?: CommandOptions): Promise<Ran>;
  /** Runs `check`. */
  check(options?: RunOptions): Promise<{ readonly code: number; readonly text: string }>;
  /** Runs any command as a user, with the configuration. */
  as(uid: number, ...args: readonly string[]): Promise<Ran>;
  /** A script that is `sealdir`, for a directory of PATH. */
  readonly program: string;
  remove(): Promise<void>;
}

export interface CommandOptions extends RunOptions {
  /** More arguments. */
  readonly more?: readonly string[];
  /** A command that runs it, as root. */
  readonly within?: readonly string[];
}

export interface JsonFinding {
  readonly id: string;
  readonly severity: string;
  readonly what: string;
  readonly why: string;
  readonly fix: string;
  readonly command: string | null;
}

/** Returns what `check --json` found. */
export async function findingsOf(
  site: CheckedSite,
  options?: CommandOptions,
): Promise<readonly JsonFinding[]> {
  const { stdout, stderr } = await site.sealdir('check', { ...options, more: ['--json'] });
  if (stdout.length === 0) throw new Error(stderr.toString());
  return findingsIn(stdout);
}

/** Returns what `check --json` has printed, without what is so on this machine and in no site. */
export function findingsIn(json: Buffer): readonly JsonFinding[] {
  const { findings } = JSON.parse(json.toString()) as { readonly findings: readonly JsonFinding[] };
  return findings.filter(({ id }) => id !== 'swap-in-clear');
}

export type Changes = Readonly<Record<string, string>>;

/** Whom the commands run as, if the tests run as root. */
export const SERVER_UID = 47110;
const isRoot = process.getuid?.() === 0;

/** Options for tests that need what root alone can arrange: files of several users. */
export function needsUsers(): { skip: string | false } {
  if (isRoot && hasProgram('setpriv')) return { skip: false };
  return leftOut('root, setpriv');
}

export async function makeCheckedSite(keys: Readonly<Record<string, string>>): Promise<CheckedSite> {
  const directory = await makeSite(keys);
  const at = (...parts: string[]) => join(directory, ...parts);
  await mkdir(at('run'), { mode: 0o755 });
  for (const own of ['mail', 'run']) if (isRoot) await chown(at(own), SERVER_UID, SERVER_UID);
  await chmod(at('mail'), 0o700);
  const withoutPostfix = { PATH: `${at('bin')}:${process.env.PATH}` };
  const sealdir: CheckedSite['sealdir'] = (
    command,
    { env = withoutPostfix, more = [], within = [], ...options } = {},
  ) => {
    const args = [CLI, command, '-c', at('sealdir.toml'), ...more];
    const others = [`--reuid=${SERVER_UID}`, `--regid=${SERVER_UID}`, '--clear-groups', process.execPath];
    const [program = 'setpriv', ...before] = [...within, 'setpriv'];
    return isRoot
      ? run(program, [...before, ...others, ...args], { ...options, env })
      : run(process.execPath, args, { ...options, env });
  };
  const site: CheckedSite = {
    directory,
    at,
    configure: (changes = {}) => writeFile(at('sealdir.toml'), tomlOf(at, changes)),
    sealdir,
    withoutPostfix,
    async check(options) {
      const { code, stdout, stderr } = await sealdir('check', options);
      return { code, text: `${stdout}${stderr}` };
    },
    as(uid, ...args) {
      const user = [`--reuid=${uid}`, `--regid=${uid}`, '--clear-groups', process.execPath];
      return run('setpriv', [...user, CLI, ...args, '-c', at('sealdir.toml')], { env: withoutPostfix });
    },
    program: `#!/bin/sh\nexec ${process.execPath} ${CLI} "$@"\n`,
    remove: () => rm(directory, { recursive: true, force: true }),
  };
  await mkdir(at('bin'));
  await writeFile(at('bin/postconf'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });
  await writeFile(at('bin/doveconf'), '#!/bin/sh\n', { mode: 0o755 }); // all at its default
  await site.configure();
  return site;
}

function tomlOf(at: CheckedSite['at'], changes: Changes): string {
  const sections = {
    lmtp: `listen = ["${at('run/lmtp.sock')}"]`,
    store: `maildir = "${at('mail/{domain}/{local}')}"\nstate = "${at('run/state')}"`,
    keys: `directory = "${at('keys')}"\nstate = "${at('run/keystate')}"`,
    metrics: 'listen = "off"',
    ...changes,
  };
  if (!/^state = /m.test(sections.keys)) sections.keys += `\nstate = "${at('run/keystate')}"`;
  const tables = Object.entries(sections).map(([name, lines]) => `[${name}]\n${lines}\n`);
  return `hostname = "mx.example.com"\nprocesses = 1\n${tables.join('')}`;
}
