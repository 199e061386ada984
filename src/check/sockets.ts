/** Where LMTP and /metrics listen: who can reach them, and who could take the place of a socket. */
import { dirname, resolve } from 'node:path';
import type { LmtpListener, MetricsListener } from '../config/listenerkinds.ts';
import { whyNotPlain } from '../config/rules.ts';
import type { Settings } from '../config/settings.ts';
import { isLoopback } from '../core/listener.ts';
import { error, type Finding, quoted, warning } from './finding.ts';
import { Trail } from './trail.ts';
import { mailServerUsers, trustedUsers } from './trusted.ts';

export function checkSockets(settings: Settings): Finding[] {
  const { lmtp, metrics } = settings;
  return [
    ...lmtp.listen.flatMap((address) => checkLmtpAddress(address, settings)),
    ...checkMetricsAddress(metrics.listen),
    ...checkMode(settings),
    ...checkReplacement(settings),
  ];
}

function checkLmtpAddress(address: LmtpListener, settings: Settings): Finding[] {
  if ((address.type !== 'tcp' && address.type !== 'tls') || isLoopback(address.host)) return [];
  const plain = address.type === 'tls' ? undefined : whyNotPlain(settings, address.host);
  if (plain !== undefined)
    return [
      error(
        'lmtp-in-clear',
        `lmtp.listen: ${plain}`,
        'set lmtp.require_tls = true, with tls.certificate and tls.key',
      ),
    ];
  if (settings.tls.client_ca !== '') return [];
  const what = `lmtp.listen: ${address.host}:${address.port} can be reached from elsewhere`;
  return [
    warning(
      'lmtp-reachable',
      what,
      'set tls.client_ca, use a Unix socket or 127.0.0.1, or let a firewall admit the mail server only',
    ),
  ];
}

function checkMetricsAddress(address: MetricsListener): Finding[] {
  if (address.type !== 'tcp' || isLoopback(address.host)) return [];
  const what = `metrics.listen: ${address.host}:${address.port} can be reached from elsewhere`;
  return [
    warning(
      'metrics-reachable',
      what,
      'use 127.0.0.1 or a Unix socket, or let a firewall admit Prometheus only',
    ),
  ];
}

function checkMode(settings: Settings): Finding[] {
  const [path] = socketPaths(settings);
  if (path === undefined) return [];
  const mode = settings.lmtp.socket_mode;
  if ((mode & 0o002) !== 0) {
    const what = 'lmtp.socket_mode: every user of this machine may deliver mail';
    return [
      warning(
        'socket-for-all',
        what,
        'set it to "0660", and make the user of the mail server a member of the group',
      ),
    ];
  }
  if ((mode & 0o020) !== 0) return [];
  const what = 'lmtp.socket_mode: only the user that Sealdir runs as, and root, may deliver mail';
  return [
    warning(
      'socket-for-none',
      what,
      'set it to "0660", and make the user of the mail server a member of the group',
    ),
  ];
}

/** Whoever can put a socket of their own in the place of ours gets the mail in clear. */
function checkReplacement(settings: Settings): Finding[] {
  const trail = new Trail([...trustedUsers(settings), ...mailServerUsers()]);
  const gaps = socketPaths(settings).flatMap((path) => trail.gaps(dirname(path)));
  return gaps.map(({ path, who, command }) =>
    error('socket-directory-open', `lmtp.listen: ${who} may put a socket of their own below ${path}`, {
      command: `${command} ${quoted(path)}`,
    }),
  );
}

/** Returns the paths of the Unix sockets for LMTP, made absolute. */
export function socketPaths({ lmtp }: Settings): string[] {
  return lmtp.listen.flatMap((address) => (address.type === 'unix' ? [resolve(address.path)] : []));
}
