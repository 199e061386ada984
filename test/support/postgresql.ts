// A private PostgreSQL on a port of 127.0.0.1 and a Unix socket, with one database. It refuses to run as
// root, so it runs as `nobody` if the test does. It asks the role `pw` for a password, and nobody else.

import { existsSync, readdirSync } from 'node:fs';
import { chown, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { programPath } from './peers.ts';
import { accepts, freePort } from './port.ts';
import { childPids } from './proc.ts';
import { type Running, run, start } from './process.ts';
import { makeTraversable } from './traversable.ts';

const NOBODY = 65_534;
const VERSIONS = '/usr/lib/postgresql';

export interface SqlServer {
  readonly url: string;
  readonly pid: number;
  /** Runs statements, and rejects with what the server says. */
  sql(statements: string): Promise<void>;
  /** Ends it at once, and lets it begin anew at the same port. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}

/** Undefined if PostgreSQL is not installed. */
export function postgresqlPath(name: string): string | undefined {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS) : [];
  return (
    versions.map((version) => join(VERSIONS, version, 'bin', name)).find(existsSync) ?? programPath(name)
  );
}

export async function startPostgresql(): Promise<SqlServer & { readonly socketUrl: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-pg-'));
  await makeTraversable(directory);
  const home = join(directory, 'home');
  await mkdir(home, { mode: 0o700 });
  const isRoot = process.getuid?.() === 0;
  const owner = isRoot ? { uid: NOBODY, gid: NOBODY } : {};
  if (isRoot) await chown(home, NOBODY, NOBODY);
  const port = await freePort();
  const data = join(home, 'data');
  const initdb = ['-D', data, '-U', 'sealdir', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await asOwner(isRoot, postgresqlPath('initdb') ?? 'initdb', initdb);
  const access = join(data, 'pg_hba.conf');
  const asksForPassword = 'local all pw scram-sha-256\nhost all pw 127.0.0.1/32 scram-sha-256\n';
  await writeFile(access, asksForPassword + (await readFile(access, 'utf8')));
  const url = `postgresql://sealdir@127.0.0.1:${port}/postgres`;
  const sql = async (statements: string) => {
    const psql = ['-X', '-q', '-v', 'ON_ERROR_STOP=1', '-f', '-', url];
    const { code, stderr } = await run(postgresqlPath('psql') ?? 'psql', psql, { stdin: statements });
    if (code !== 0) throw new Error(stderr);
  };
  const options = ['-p', port, '-k', home, '-c', 'listen_addresses=127.0.0.1', '-c', 'fsync=off'].map(String);
  const begin = () =>
    start(postgresqlPath('postgres') ?? 'postgres', ['-D', data, ...options], {
      ...owner,
      cwd: home,
      ready: (output) => output.includes('ready to accept connections') && accepts(port),
    });
  let running = await begin();
  const server = serverOf(url, sql, {
    current: () => running,
    async again() {
      running = await begin();
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  });
  return Object.assign(server, { socketUrl: `postgresql://sealdir@/postgres?host=${home}&port=${port}` });
}

/** What all database servers have in common. */
export function serverOf(
  url: string,
  sql: SqlServer['sql'],
  server: { current(): Running; again(): Promise<void>; remove(): Promise<void> },
): SqlServer {
  return {
    url,
    sql,
    get pid() {
      return server.current().pid;
    },
    async kill() {
      server.current().signal('SIGKILL');
      await server.current().stop();
    },
    restart: server.again,
    async stop() {
      await server.current().stop();
      await server.remove();
    },
  };
}

async function asOwner(isRoot: boolean, command: string, args: readonly string[]): Promise<void> {
  const ids = [`--reuid=${NOBODY}`, `--regid=${NOBODY}`, '--clear-groups'];
  const { code, stderr } = isRoot
    ? await run('setpriv', [...ids, command, ...args], { cwd: '/' })
    : await run(command, args);
  if (code !== 0) throw new Error(stderr);
}

/** Returns the processes of a server, its own first. */
export function processesOf(pid: number): number[] {
  return [pid, ...childPids(pid)];
}
