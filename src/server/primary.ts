/**
 * A server of several processes on one set of sockets (node:cluster): the primary listens, hands out the
 * connections to the workers in turn (round robin), sweeps, and serves the sum of the metrics; workers
 * deliver.
 */
import type { Running } from './serve.ts';
import { startShared } from './shared.ts';
import { Workforce, type WorkforceParts } from './workforce.ts';

/**
 * Runs the primary process. Returns undefined if `stopped` resolves before the server has started. Throws
 * StartError when it cannot start.
 */
export async function servePrimary(
  parts: WorkforceParts,
  stopped: Promise<unknown>,
): Promise<Running | undefined> {
  const workforce = new Workforce(parts);
  const shared = await startShared(parts.settings, parts.log, workforce);
  const stop = async (graceMs?: number) => {
    await workforce.stop(graceMs);
    shared.stop();
  };
  const starting = Promise.race([workforce.start(shared.state), stopped.then(() => undefined)]);
  const lmtp = await starting.catch(async (error: unknown) => {
    await stop(0);
    throw error;
  });
  if (lmtp === undefined) {
    await stop();
    return undefined;
  }
  return {
    lmtp,
    metrics: shared.metrics,
    failed: workforce.failed,
    reload: (fresh) => workforce.reload(fresh),
    noteReload: workforce.noteReload,
    stop,
  };
}
