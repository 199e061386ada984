/**
 * Waits with a limit. A disk or crypto call cannot be cancelled, so the caller stops waiting for it instead.
 */

/** Settles as `promise` does, or resolves to 'late' after `ms`. The timer is cleared when it settles. */
export function within<T>(promise: Promise<T>, ms: number): Promise<T | 'late'> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms, 'late');
    const stop = () => clearTimeout(timer);
    promise.then(stop, stop);
    promise.then(resolve, reject);
  });
}
