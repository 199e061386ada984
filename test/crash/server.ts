// The server of the crash tests: the real one, on a disk that ends the process at a numbered call.
//
//   node server.js SETTINGS.json [KILL]     KILL is a KillPoint in JSON. The server begins at SIGUSR2.

import { once } from 'node:events';
import { readFileSync, writeSync } from 'node:fs';
import type { Settings } from '../../src/config/settings.ts';
import { createLog } from '../../src/edge/log.ts';
import { serve } from '../../src/server/serve.ts';
import { type DiskCall, FakeDisk } from '../support/fakedisk.ts';

export interface KillPoint {
  /** The number of the disk call, from 1; with `name` among the calls of that name. */
  readonly call: number;
  readonly name?: DiskCall['name'];
  /** If the call fails, `after` means after the next one that does not. */
  readonly when: 'before' | 'after';
  /** The most bytes that this call takes, if it is a writev. So a message is torn in two. */
  readonly maxWriteBytes?: number;
}

function deadlyDisk({ call: wanted, name, when, maxWriteBytes }: KillPoint): FakeDisk {
  const disk = new FakeDisk();
  const isReached = (call: DiskCall) =>
    name === undefined ? call.number >= wanted : call.name === name && disk.named(name).length >= wanted;
  const die = (call: DiskCall) => {
    writeSync(2, `killed ${when} call ${call.number}: ${call.name}\n`);
    process.kill(process.pid, 'SIGKILL');
  };
  disk.trouble = {
    before(call) {
      if (!isReached(call)) return;
      if (when === 'before') die(call);
      if (maxWriteBytes !== undefined) disk.trouble = { ...disk.trouble, maxWriteBytes };
    },
    after(call) {
      if (when === 'after' && isReached(call)) die(call);
    },
  };
  return disk;
}

/**
 * Waits until the test wants this server. To load the code takes ten times as long as to begin, so the next
 * server is loaded while the one before still runs.
 */
async function untilWanted(): Promise<void> {
  const stay = setInterval(() => undefined, 60_000);
  const wanted = once(process, 'SIGUSR2');
  writeSync(2, 'loaded\n');
  await wanted;
  clearInterval(stay);
}

const [, , settingsFile = '', kill] = process.argv;
await untilWanted();
const settings = JSON.parse(readFileSync(settingsFile, 'utf8')) as Settings;
const disk = kill === undefined ? undefined : deadlyDisk(JSON.parse(kill) as KillPoint);
const running = await serve(settings, createLog(settings.log.level), [], { disk });
writeSync(2, `listening ${running.metrics}\n`);
