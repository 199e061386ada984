/**
 * Frees the memory of a buffer at once; the garbage collector would first let 32 MB of dead buffers pile up.
 * A cipher allocates a new buffer for every piece: if the last one was freed, the next one gets memory that
 * the kernel has already mapped and that is in the processor's cache.
 *
 * The buffer is detached: it has no bytes from then on, so a buffer that is freed too early shows nothing
 * instead of the bytes of another one. Only the code that got a buffer from its maker may free it.
 */

// a small buffer is not worth the call, and may be a part of Node's pool
const MIN_BYTES = Math.max(16_384, 1 + Buffer.poolSize);

// A posted message owns the buffers of its transfer list, even if the port is closed, and it is dropped at
// once. ArrayBuffer.prototype.transfer does not exist before Node 22.
const { port1: nowhere } = new MessageChannel();
nowhere.close();

/** Detaches `bytes` and frees its memory, unless it is small. */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_BYTES) return;
  try {
    nowhere.postMessage(undefined, [buffer]);
  } catch {
    // memory that cannot be transferred is left to the garbage collector
  }
}
