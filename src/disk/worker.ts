/**
 * The body of a disk thread: takes one batch at a time, makes its calls (perform.ts) and answers. Loads no
 * package, above all not fs-ext, which aborts in threads.
 */
import { parentPort, workerData } from 'node:worker_threads';
import type { Order } from './batch.ts';
import { performBatch } from './perform.ts';

const slot = Buffer.from(workerData as SharedArrayBuffer);

// strings, since objects would be cloned, at several times the price
parentPort?.on('message', async (message: string) => {
  const done = await performBatch(JSON.parse(message) as Order, slot);
  parentPort?.postMessage(JSON.stringify(done));
});
