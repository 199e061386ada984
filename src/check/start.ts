/**
 * What keeps `serve` from starting, found without starting it: sockets that cannot be made and ports that
 * cannot be opened (the other checks look at the directories it needs). Tries each port for a moment, and
 * asks who is there if it is taken: a running Sealdir with these settings is no finding.
 */
import { constants } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { dirname, resolve } from 'node:path';
import type { LmtpListener } from '../config/listenerkinds.ts';
import type { Settings } from '../config/settings.ts';
import type { Listener } from '../core/listener.ts';
import { error, type Finding, quoted } from './finding.ts';
import { kindOf, lookAtLink, troubleWithDirectory, troubleWithUse } from './look.ts';
import { serverUid } from './trusted.ts';
import { type Question, whoListens } from './wholistens.ts';

/** A listener, the setting it is from, and how to know that it is ours. */
interface Wanted {
  readonly setting: string;
  readonly address: Listener;
  readonly question: Question;
}

export async function checkStart(settings: Settings): Promise<Finding[]> {
  const wanted = wantedListeners(settings);
  return [
    ...(await checkLocking()),
    ...checkTwice(wanted),
    ...(await Promise.all(wanted.map((each) => checkPath(each, settings)))).flat(),
    ...(await checkPorts(wanted)),
  ];
}

function wantedListeners({ hostname, lmtp, metrics, recipients }: Settings): Wanted[] {
  const greeting = { say: '', expect: `220 ${hostname} LMTP` };
  const scrape = { say: 'GET /metrics HTTP/1.0\r\n\r\n', expect: 'sealdir_' };
  const map = { say: '2:x ,', expect: 'PERM' };
  const all = [
    ...lmtp.listen.map((address) => wantedFor(address, greeting)),
    { setting: 'metrics.listen', address: metrics.listen, question: scrape },
    { setting: 'recipients.map_listen', address: recipients.map_listen, question: map },
  ];
  return all.filter((each): each is Wanted => each.address.type === 'unix' || each.address.type === 'tcp');
}

function wantedFor(address: LmtpListener, greeting: Question) {
  const setting = 'lmtp.listen';
  if (address.type !== 'tls') return { setting, address, question: greeting };
  const question: Question = { ...greeting, opening: 'tls' };
  return { setting, address: { ...address, type: 'tcp' as const }, question };
}

/** Loads the package that locks files: it is compiled for one version of Node. */
async function checkLocking(): Promise<Finding[]> {
  try {
    await import('../edge/lock.ts');
    return [];
  } catch (fault) {
    const what = fault instanceof Error ? fault.message : String(fault);
    return [
      error(
        'lock-package',
        what,
        'do that; npm 11 runs only the install scripts of packages it is told to allow',
      ),
    ];
  }
}

function checkTwice(wanted: readonly Wanted[]): Finding[] {
  const paths = wanted.flatMap(({ address }) => (address.type === 'unix' ? [resolve(address.path)] : []));
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice === undefined) return [];
  return [
    error(
      'socket-twice',
      `${settingsOf(wanted, twice)}: ${twice} is in use twice`,
      'choose another path for one',
    ),
  ];
}

/** Returns the settings that name the path, as words of a sentence. */
function settingsOf(wanted: readonly Wanted[], path: string): string {
  const named = wanted.filter(({ address }) => address.type === 'unix' && resolve(address.path) === path);
  return [...new Set(named.map(({ setting }) => setting))].join(' and ');
}

async function checkPath({ setting, address, question }: Wanted, settings: Settings): Promise<Finding[]> {
  if (address.type !== 'unix') return [];
  const path = resolve(address.path);
  const directory = dirname(path);
  const trouble = troubleWithDirectory(directory);
  if (trouble !== undefined) {
    const or = 'RuntimeDirectory= in the systemd unit';
    const fix = { command: `install -d -m 755 -o ${serverUid(settings)} ${quoted(directory)}`, or };
    return [error('socket-directory-missing', `${setting}: ${directory} ${trouble.why}`, fix)];
  }
  const closed = troubleWithUse(directory, constants.W_OK | constants.X_OK);
  if (closed !== undefined) {
    const command = `chown ${serverUid(settings)} ${quoted(directory)} && chmod u+rwx ${quoted(directory)}`;
    const what = `${setting}: no socket can be made in ${directory}, which ${closed.why}`;
    return [error('socket-directory-closed', what, { command, or: 'RuntimeDirectory= in the systemd unit' })];
  }
  return [...checkLock(setting, `${path}.lock`), ...(await checkPlace(setting, path, question))];
}

/** Looks at the lock file beside the socket: one that another user has left cannot be opened. */
function checkLock(setting: string, lock: string): Finding[] {
  const seen = lookAtLink(lock);
  if ('why' in seen) {
    if (seen.isMissing) return [];
    return [lockFinding(`${setting}: the lock file ${lock} ${seen.why}`, lock)];
  }
  if (!seen.isFile()) return [lockFinding(`${setting}: ${lock} is ${kindOf(seen)}, not a lock file`, lock)];
  const closed = troubleWithUse(lock, constants.W_OK);
  if (closed === undefined) return [];
  return [
    lockFinding(
      `${setting}: the lock file ${lock} ${closed.why} (was Sealdir started as another user?)`,
      lock,
    ),
  ];
}

function lockFinding(what: string, lock: string): Finding {
  return error('socket-lock-unusable', what, { command: `rm -r ${quoted(lock)}` });
}

/** Looks at the path of the socket: it may be free, left by a dead server, or held by a living one. */
async function checkPlace(setting: string, path: string, question: Question): Promise<Finding[]> {
  const seen = lookAtLink(path);
  if ('why' in seen) return [];
  if (!seen.isSocket()) {
    const what = `${setting}: ${path} is ${kindOf(seen)}, where a socket has to be made`;
    return [
      error('socket-path-taken', what, {
        command: `mv ${quoted(path)} ${quoted(`${path}.aside`)}`,
        or: 'choose another path',
      }),
    ];
  }
  const who = await whoListens({ path }, question);
  if (who !== 'another') return [];
  const fix = 'stop it, or choose another path; if it is systemd, write "systemd" or "systemd:NAME" instead';
  return [error('socket-busy', `${setting}: another program listens on ${path}`, fix)];
}

/** Opens all ports at the same time, since two of them may be in each other's way. */
async function checkPorts(wanted: readonly Wanted[]): Promise<Finding[]> {
  const servers: Server[] = [];
  const findings = wanted.map(async ({ setting, address, question }) => {
    if (address.type !== 'tcp') return [];
    const { host, port } = address;
    const server = createServer();
    servers.push(server);
    const code = await tryListening(server, host, port);
    if (code === undefined) return [];
    const isOurs = code === 'EADDRINUSE' && (await whoListens({ host, port }, question)) === 'sealdir';
    return isOurs ? [] : [portFinding(setting, host, port, code)];
  });
  try {
    return (await Promise.all(findings)).flat();
  } finally {
    for (const server of servers) server.close();
  }
}

function portFinding(setting: string, host: string, port: number, code: string): Finding {
  const at = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
  if (code === 'EADDRINUSE')
    return error(
      'port-busy',
      `${setting}: another program listens on ${at}`,
      'stop it, or choose another port',
    );
  if (code === 'EACCES') {
    const fix = 'choose a port from 1024 on, or let systemd open it (listen = ["systemd"])';
    return error('port-privileged', `${setting}: only root may open ${at}, a privileged port`, fix);
  }
  if (code === 'EADDRNOTAVAIL')
    return error(
      'port-unusable',
      `${setting}: this machine does not have the address ${host}`,
      'choose one that it has',
    );
  return error('port-unusable', `${setting}: cannot listen on ${at} (${code})`, 'choose another address');
}

/** Resolves to the code of the error, or to undefined once the server listens. */
function tryListening(server: Server, host: string, port: number): Promise<string | undefined> {
  return new Promise((resolve) => {
    server.once('error', ({ code = 'failed' }: NodeJS.ErrnoException) => resolve(code));
    server.once('listening', () => resolve(undefined));
    server.listen({ host, port });
  });
}
