// Tries 50 wrong passwords a second, as a service would that asks the slots of a wrapped key, until it is
// ended.

import { setTimeout as pause } from 'node:timers/promises';
import { COST, Derivations, SALT_BYTES } from '../src/custody/kdf.ts';

const RATE = 50;

const derivations = new Derivations();
const kdf = { name: 'scrypt', ...COST, salt: Buffer.alloc(SALT_BYTES, 1) } as const;
let [tried, refused] = [0, 0];
const began = performance.now();
process.stdout.write('begun\n');
process.on('SIGTERM', () => {
  process.stdout.write(`tried ${tried}, refused ${refused} in ${Math.round(performance.now() - began)} ms\n`);
  process.exit();
});
for (let n = 0; ; n++) {
  derivations.derive(Buffer.from(`guess ${n}`), kdf).then(
    () => void tried++,
    () => void refused++,
  );
  // by the clock: a busy machine must not make it ask less often
  await pause(Math.max(0, began + ((n + 1) * 1000) / RATE - performance.now()));
}
