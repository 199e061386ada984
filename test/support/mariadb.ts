// A private MariaDB on a port of 127.0.0.1 and a Unix socket, with one database. Everybody may do everything
// there.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { accepts, freePort } from './port.ts';
import { type SqlServer, serverOf } from './postgresql.ts';
import { run, start } from './process.ts';

export async function startMariadb(): Promise<SqlServer & { readonly socket: string }> {
  const directory = await mkdtemp(join(tmpdir(), 'sealdir-maria-'));
  const data = join(directory, 'data');
  const socket = join(directory, 'socket');
  const user = `--user=${userInfo().username}`;
  await must('mariadb-install-db', [
    '--no-defaults',
    `--datadir=${data}`,
    user,
    '--auth-root-authentication-method=normal',
    '--skip-test-db',
  ]);
  const port = await freePort();
  const sql = async (statements: string) => {
    const client = ['--no-defaults', `--socket=${socket}`, '-u', 'root'];
    const { code, stderr } = await run('mariadb', client, { stdin: statements });
    if (code !== 0) throw new Error(stderr);
  };
  const options = [
    '--no-defaults',
    `--datadir=${data}`,
    `--socket=${socket}`,
    `--port=${port}`,
    '--bind-address=127.0.0.1',
    `--pid-file=${join(directory, 'pid')}`,
    '--innodb-flush-log-at-trx-commit=0',
    '--skip-log-bin',
    user,
  ];
  const begin = () =>
    start('mariadbd', options, { ready: async () => (await accepts(port)) && (await accepts(socket)) });
  let running = await begin();
  await sql(`CREATE DATABASE sealdir CHARACTER SET utf8mb4;
    CREATE USER sealdir@'%' IDENTIFIED BY 'pass'; GRANT ALL ON *.* TO sealdir@'%';`);
  const server = serverOf(`mysql://sealdir:pass@127.0.0.1:${port}/sealdir`, inDatabase(sql), {
    current: () => running,
    async again() {
      running = await begin();
    },
    remove: () => rm(directory, { recursive: true, force: true }),
  });
  return Object.assign(server, { socket });
}

function inDatabase(sql: (statements: string) => Promise<void>): (statements: string) => Promise<void> {
  return (statements) => sql(`USE sealdir;\n${statements}`);
}

async function must(command: string, args: readonly string[]): Promise<void> {
  const { code, stdout, stderr } = await run(command, args);
  if (code !== 0) throw new Error(`${stderr}${stdout}`);
}
