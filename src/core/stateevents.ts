/** The events about what is remembered of deliveries. The table is in events.ts. */
import { type EventRow, FAULT } from './eventrow.ts';

export const STATE_EVENTS = {
  'store.state: duplicates are recognised within each process only': {
    levels: ['error'],
    fields: FAULT,
    means: 'The directory cannot be used, or another server has it. Messages may come twice.',
    todo: 'Mend what `error` says, and restart.',
  },
  'store.state: this host remembers by itself': {
    levels: ['error'],
    fields: FAULT,
    means:
      'Redis (`store.state`) does not answer, or refuses something, or the file `.sealdir-store` at the root of the store cannot be read. A message that is sent again to another host is stored again. Said once by each process, until it works again.',
    todo: 'Mend what `error` says; nothing has to be restarted. See [Memory shared by hosts](README.md#memory-shared-by-hosts).',
  },
  'store.state: hosts remember together again': {
    levels: ['info'],
    fields: [],
    means: 'Redis answers again. What this host could not tell it meanwhile has been told.',
    todo: '',
  },
} as const satisfies Record<string, EventRow>;
