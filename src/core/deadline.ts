/** Waiting with an end. Disk and crypto calls cannot be called back, so whoever waits lets go of them instead. */

/** Settles as `promise` does, or resolves to 'late' after `ms`. The timer never outlives the promise. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, 'late');
    const stop = () => clearTimeout(timer);
    promise.then(stop, stop);
    promise.then(resolve, reject);
  });
}
