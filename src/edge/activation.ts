/**
 * What systemd says to a service in its environment: sockets that it passes
 * (sd_listen_fds_with_names(3)), and where it wants to be told how things go (sd_notify(3),
 * sd_watchdog_enabled(3)). What makes no sense is ignored, with a sentence for the operator.
 */
import { fstatSync } from 'node:fs';
import type { InheritedSocket } from '../core/listener.ts';
import type { Supervision } from './supervisor.ts';

export interface Activation {
  readonly inherited: readonly InheritedSocket[];
  /** Undefined where systemd does not supervise. */
  readonly supervision: Supervision | undefined;
  /** Of what was ignored. */
  readonly complaints: readonly string[];
}

type Environment = Readonly<Record<string, string | undefined>>;

const FIRST = 3;
const MOST_SHOWN = 40;

/** `pid` is ours: what is said to another process is none of our business. */
export function activationOf(env: Environment, pid: number): Activation {
  const { NOTIFY_SOCKET, LISTEN_PID, LISTEN_FDS = '', LISTEN_FDNAMES = '' } = env;
  const complaints: string[] = [];
  if (NOTIFY_SOCKET === '')
    complaints.push('NOTIFY_SOCKET is empty: it is ignored, and systemd is told nothing');
  const why = LISTEN_PID === String(pid) ? whyNoSockets(LISTEN_FDS) : undefined;
  if (why !== undefined) complaints.push(`${why}: it is ignored`);
  const count = LISTEN_PID === String(pid) && why === undefined ? Number(LISTEN_FDS) : 0;
  const names = LISTEN_FDNAMES.split(':');
  const inherited = Array.from({ length: count }, (_, n) => ({ fd: FIRST + n, name: names[n] || 'unknown' }));
  return { inherited, supervision: NOTIFY_SOCKET ? supervisionOf(env, pid) : undefined, complaints };
}

function supervisionOf({ WATCHDOG_PID, WATCHDOG_USEC }: Environment, pid: number): Supervision {
  const isOurs = (WATCHDOG_PID ?? String(pid)) === String(pid) && Number(WATCHDOG_USEC) > 0;
  return { watchdogMs: isOurs ? Number(WATCHDOG_USEC) / 1000 : undefined };
}

/** Looks at each descriptor, and so at no more than there are. */
function whyNoSockets(written: string): string | undefined {
  if (!/^\d{1,9}$/.test(written)) {
    const shown = written.length > MOST_SHOWN ? `"${written.slice(0, MOST_SHOWN)}…` : `"${written}"`;
    return `LISTEN_FDS is ${shown}, which is no number of sockets`;
  }
  for (let fd = FIRST; fd < FIRST + Number(written); fd += 1)
    if (!isSocket(fd)) return `LISTEN_FDS is ${written}, but descriptor ${fd} is no socket`;
  return undefined;
}

function isSocket(fd: number): boolean {
  try {
    return fstatSync(fd).isSocket();
  } catch {
    return false; // it is not open, or the number is no descriptor
  }
}
