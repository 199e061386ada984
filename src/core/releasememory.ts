/**
 * Frees the memory of a buffer at once; the garbage collector would first let 32 MB of dead buffers pile up.
 * A cipher allocates a new buffer for every piece: if the last one was freed, the next one gets memory that
 * the kernel has already mapped and that is in the processor's cache.
 *
 * The buffer is detached: it has no bytes from then on, so a buffer that is freed too early shows nothing
 * instead of the bytes of another one. Only the code that got a buffer from its maker may free it.
 */

/** Freeing less is not worth the call. */
const MIN_BYTES = 16_384;

// A posted message owns the buffers of its transfer list, and on a closed port it is dropped at once:
// measured on Node 20, 22 and 24. ArrayBuffer.prototype.transfer(0) does the same, but not before Node 22,
// and Node 22 lets it take even the pool away. structuredClone leaves the memory to the collector.
const { port1: nowhere } = new MessageChannel();
nowhere.close();

/** Detaches `bytes` and frees its memory, unless it is small or shares its memory with others. */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_BYTES || mayBePooled(bytes)) return;
  try {
    nowhere.postMessage(undefined, [buffer]);
  } catch {
    // memory that cannot be transferred is left to the garbage collector
  }
}

/** Node gives buffers of less than half the pool out of one: 8 KiB on Node 20 and 22, 64 KiB on Node 24. */
function mayBePooled({ buffer, byteLength }: Uint8Array): boolean {
  return buffer.byteLength === Buffer.poolSize && byteLength < Buffer.poolSize / 2;
}
