/** Memory for secrets, that can be overwritten: V8 moves small arrays about, and leaves copies of them. */

const LEAST_BYTES = 65;

/** Returns zeros that stay where they are. */
export function unmoved(bytes: number): Buffer {
  return Buffer.alloc(LEAST_BYTES + bytes).subarray(LEAST_BYTES);
}
