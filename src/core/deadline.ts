/** Waiting with an end. Disk and crypto calls cannot be called back, so whoever waits lets go of them instead. */

/** Resolves to `promise`'s value, or to 'late' after `ms`. The timer never outlives the promise. */
export async function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<'late'>((resolve) => {
    timer = setTimeout(() => resolve('late'), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
