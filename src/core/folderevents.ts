/** The events about folders that are sealed. The table is in events.ts. */
import { type EventRow, FAULT } from './eventrow.ts';

export const FOLDER_EVENTS = {
  'folder sealed': {
    levels: ['info'],
    fields: ['address', 'folder', 'messages'],
    means: 'Messages that were put into a folder of `store.seal_folders` are sealed now.',
    todo: '',
  },
  'folder left in clear': {
    levels: ['warn'],
    fields: ['address', 'folder', 'reasons'],
    means:
      'There is mail in clear in such a folder, and it cannot be sealed: mostly, its owner has no usable key. Said once for each.',
    todo: 'Do what `reasons` asks for. It is looked at again every half hour.',
  },
  'folder not sealed': {
    levels: ['error'],
    fields: ['address', 'folder', ...FAULT],
    means: 'A message in such a folder could not be sealed. It is as it was.',
    todo: 'Do what `error` says. It is tried again every half hour.',
  },
  'store.seal_folders': {
    levels: ['error'],
    fields: FAULT,
    means: 'Folders cannot be sealed, or not looked through.',
    todo: 'Do what `error` says. It is tried again within minutes, or after a reload.',
  },
  'the process that seals folders died, starting it again': {
    levels: ['warn'],
    fields: ['code', 'signal'],
    means: 'Mail goes on, and nothing is lost: what was put into folders meanwhile is found.',
    todo: 'As for a worker.',
  },
} as const satisfies Record<string, EventRow>;
