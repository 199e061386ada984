/** The events about keys, most of them from the keeper. The table is in events.ts. */
import { type EventRow, FAULT } from './eventrow.ts';

export const KEY_EVENTS = {
  'key change': {
    levels: ['info', 'warn'],
    fields: ['address', 'event', 'before', 'after', 'lost', 'by', 'entry', 'head'],
    means:
      'A key came (information), changed or went (warnings). `before` and `after` are fingerprints; `by` is `sealdir key`, or whoever else; `entry` and `head` are its number and hash in the key log.',
    todo: 'If nobody knows why, ask the owner: see [When keys change](README.md#when-keys-change).',
  },
  'key notice': {
    levels: ['info', 'error'],
    fields: ['address', 'change', 'outcome', 'fingerprint', 'ends', 'days', 'error'],
    means:
      'An owner was told of a change (`change` is its entry) or of an end, or has no mailbox to be told in (`outcome`). As an error: they cannot be told, and `error` says why.',
    todo: 'As an error: do what it says; it is tried again where that helps.',
  },
  keys: {
    levels: ['info'],
    fields: ['valid', 'expiring', 'expired', 'revoked', 'unusable', 'earliest', 'log'],
    means:
      'Once a day: the keys by state, the first that ends, and the number of entries and the hash of the key log.',
    todo: 'Keep it where nobody can edit it.',
  },
  'key log': {
    levels: ['error'],
    fields: ['what', 'entries', 'head'],
    means: 'The log of key changes is not what it was, or cannot be written.',
    todo: '`sealdir key log --verify` with a head of before shows which lines were changed.',
  },
  'keys.state: changes of keys are not noticed, and nobody is told of them': {
    levels: ['error'],
    fields: FAULT,
    means: 'The directory cannot be used. Mail goes on. It is tried again each minute, and said once a day.',
    todo: 'Mend what `error` says.',
  },
  'keys.directory': {
    levels: ['error'],
    fields: FAULT,
    means:
      'It does not answer, or is missing or empty, so perhaps not mounted. Keys of before are used for minutes.',
    todo: 'Mount it, or put a key there.',
  },
  'keys.wkd_directory': {
    levels: ['error'],
    fields: FAULT,
    means: 'It does not answer. Keys of before are used for minutes.',
    todo: 'Look at its file system.',
  },
  keeper: {
    levels: ['warn', 'error'],
    fields: ['files', ...FAULT],
    means: 'The process that looks after the keys could not do all of its work; `error` says what.',
    todo: 'Look at `keys.directory` and `keys.state`. It is tried again.',
  },
} as const satisfies Record<string, EventRow>;
