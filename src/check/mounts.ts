/** The file system that a path is on, and what its mount options do to mail (proc_pid_mountinfo(5)). */
import { readFileSync, realpathSync } from 'node:fs';

/** nfs(5): acregmax and acdirmax, unless set. */
const MOST_STALE_SECONDS = 60;

export interface Mount {
  readonly point: string;
  readonly type: string;
  /** What is mounted: a device, or `server:/volume`. */
  readonly source: string;
  /** Those of the mount and those of the file system. */
  readonly options: readonly string[];
}

/** Returns the mount that a path is on, or undefined where the system does not tell. */
export function mountOf(path: string): Mount | undefined {
  try {
    return mountIn(readFileSync('/proc/self/mountinfo', 'utf8'), realpathSync(path));
  } catch {
    return undefined;
  }
}

/** Does the same for the text of a mountinfo. The last mount on a point covers the others. */
export function mountIn(mountinfo: string, path: string): Mount | undefined {
  const holding = mountinfo
    .split('\n')
    .flatMap((line) => parse(line) ?? [])
    .filter(({ point }) => path === point || path.startsWith(point === '/' ? '/' : `${point}/`));
  return holding.reduce<Mount | undefined>(
    (best, each) => (best === undefined || each.point.length >= best.point.length ? each : best),
    undefined,
  );
}

/** Returns what options do to what was fsynced, as ends of a sentence that begins with the mount point. */
export function dangersOf({ type, options }: Mount): string[] {
  const has = (...names: string[]) => names.find((name) => options.includes(name));
  const found: string[] = [];
  const soft = has('soft', 'softerr');
  if (type.startsWith('nfs') && soft !== undefined)
    found.push(`is mounted with ${soft}: writes that its server does not answer in time are given up`);
  const barrier = has('nobarrier', 'barrier=0');
  if (barrier !== undefined)
    found.push(`is mounted with ${barrier}: a power failure may lose what was fsynced`);
  if (type === 'overlay' && has('volatile') !== undefined)
    found.push('is mounted with volatile: fsync does nothing there');
  if (
    /^(nfs|cifs|smb3)/.test(type) &&
    has('nolock', 'local_lock=all', 'local_lock=flock', 'nobrl') !== undefined
  )
    found.push('is mounted without locks: two hosts would not notice each other there');
  if (type.startsWith('nfs')) found.push(...staleness(options));
  if (type === 'fuse.sshfs')
    found.push('is sshfs, which has no fsync for directories, and hides that it has none');
  return found;
}

/** What one host may not see of another for longer than by default. */
function staleness(options: readonly string[]): string[] {
  const found: string[] = [];
  if (options.includes('nocto'))
    found.push('is mounted with nocto: a key that another host has exchanged may go on being used');
  const seconds = options.map((each) => Number(/^(?:actimeo|ac(?:reg|dir)max)=(\d+)$/.exec(each)?.[1] ?? 0));
  const most = Math.max(...seconds);
  if (most > MOST_STALE_SECONDS)
    found.push(`is mounted with an age of ${most} s: what another host changes is seen that late`);
  return found;
}

/** Returns the name of the volume if it is of GlusterFS (`server:/volume/below`). */
export function glusterVolumeOf({ type, source }: Mount): string | undefined {
  if (type !== 'fuse.glusterfs') return undefined;
  return /^[^:]*:?\/?([^/]+)/.exec(source)?.[1];
}

/** Tells whether all of it is in memory. */
export function isInMemory({ type }: Mount): boolean {
  return type === 'tmpfs' || type === 'ramfs';
}

function parse(line: string): Mount | undefined {
  // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue
  const [before = '', after] = line.split(' - ');
  const [, , , , point, own = ''] = before.split(' ');
  const [type, source = '', ofAll = ''] = after?.split(' ') ?? [];
  if (point === undefined || type === undefined) return undefined;
  return {
    point: unescaped(point),
    type,
    source: unescaped(source),
    options: [...own.split(','), ...ofAll.split(',')],
  };
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
