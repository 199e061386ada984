/**
 * The openpgp package, by its entry for CommonJS: that is one minified file, which a process that seals one
 * message loads in two thirds of the time.
 */
import { createRequire } from 'node:module';

export const library = createRequire(import.meta.url)('openpgp') as typeof import('openpgp');
