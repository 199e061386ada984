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

/** Detaches `bytes` and frees its memory, unless it is small. */
export function releaseMemory(bytes: Uint8Array): void {
  const { buffer } = bytes;
  if (!(buffer instanceof ArrayBuffer) || buffer.byteLength < MIN_BYTES) return;
  try {
    detach(buffer);
  } catch {
    // memory that cannot be transferred is left to the garbage collector
  }
}

// structuredClone with a transfer list would leave the memory to the collector
const detach = 'transfer' in ArrayBuffer.prototype ? transferToNothing : postToNobody();

/** Node 22 and later; not among the types of Node 20. */
function transferToNothing(buffer: ArrayBuffer & { transfer?(newLength: number): ArrayBuffer }): void {
  buffer.transfer?.(0);
}

/** Node 20: a posted message owns the buffers of its transfer list; on a closed port it is dropped at once. */
function postToNobody(): (buffer: ArrayBuffer) => void {
  const { port1 } = new MessageChannel();
  port1.close();
  return (buffer) => port1.postMessage(undefined, [buffer]);
}
