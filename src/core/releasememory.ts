/**
 * Gives the memory of a buffer back at once, where the garbage collector would let 32 MB of
 * such buffers come together first. A cipher gives a new buffer for every piece: given back,
 * the next is written into memory that is in the processor's cache and the kernel has mapped.
 *
 * A discarded buffer is detached: from then on it has no bytes, so one discarded too early
 * shows nothing instead of what stands there next. Only for the code that got it from its maker.
 */

// a small one is not worth it, and may be a part of Node's pool
const MIN_BYTES = Math.max(16_384, 1 + Buffer.poolSize);

// What is posted with a transfer list changes its owner even where nobody can receive it any
// more, and goes with the message. ArrayBuffer.prototype.transfer does not exist before Node 22.
const { port1: nowhere } = new MessageChannel();
nowhere.close();

export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_BYTES) return;
  try {
    nowhere.postMessage(undefined, [buffer]);
  } catch {
    // memory that cannot be given away is left to the garbage collector
  }
}
