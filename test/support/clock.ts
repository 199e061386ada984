// A clock that stands still until the test moves it.

import type { World } from '../../src/core/world.ts';

export interface StillClock extends Pick<World, 'micros'> {
  pass(ms: number): void;
}

export function stillClock(): StillClock {
  let micros = 0;
  return {
    micros: () => micros,
    pass(ms) {
      micros += ms * 1000;
    },
  };
}
