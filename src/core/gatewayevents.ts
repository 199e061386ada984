/** The events of the session gateway. The table is in events.ts. */
import { type EventRow, FAULT } from './eventrow.ts';

export const GATEWAY_EVENTS = {
  'gateway listening': {
    levels: ['info'],
    fields: ['imap', 'metrics', 'config'],
    means: '`sealdir gateway` has started.',
    todo: '',
  },
  'gateway login': {
    levels: ['info'],
    fields: ['client', 'address'],
    means: 'A password or code has opened the key of its owner, or that of a session was given again.',
    todo: '',
  },
  'gateway login refused': {
    levels: ['warn'],
    fields: ['client', 'address'],
    means:
      'A password that opens nothing, or a user who has no wrapped key. fail2ban can count these lines by `client`.',
    todo: 'Nothing, unless there are many: who guesses is slowed down.',
  },
  'gateway append': {
    levels: ['warn'],
    fields: ['address', ...FAULT],
    means:
      'A message that a client wanted to store could not be sealed, and was not stored. The client got NO.',
    todo: 'Do what `error` asks for: mostly, the key of the user has expired.',
  },
  'gateway upstream': {
    levels: ['error'],
    fields: ['address', ...FAULT],
    means: 'The IMAP server behind did not answer, or did not take the login of the gateway.',
    todo: 'Look at that server, and whether its list of users is that of `sealdir slots list --dovecot`.',
  },
  'gateway cache': {
    levels: ['warn'],
    fields: ['address', ...FAULT],
    means: 'What lists show cannot be remembered over logins: mail is shown, and listed more slowly.',
    todo: 'Look at `gateway.cache_directory`: it has to belong to the user of the gateway.',
  },
  'gateway session': {
    levels: ['debug', 'error'],
    fields: ['address', ...FAULT],
    means: 'A session or a command was ended by a mistake of ours, or a connection broke.',
    todo: 'Report it, unless it is for debugging only.',
  },
  'gateway full': {
    levels: ['warn'],
    fields: ['address', 'users'],
    means: 'As many users are logged in as `gateway.max_users` allows: this one was told to try again later.',
    todo: 'Raise `gateway.max_users`, if there is memory for more: each takes 20 to 30 MiB, or what it opens.',
  },
  'gateway process': {
    levels: ['error'],
    fields: [...FAULT],
    means: 'The system begins no process for the gateway: whoever logs in is told to come later.',
    todo: 'Look at TasksMax= and LimitNOFILE= of the unit, and at the memory.',
  },
  'the front of the gateway ended': {
    levels: ['error'],
    fields: ['code', 'signal'],
    means: 'All sessions ended with it. The next connection begins another; programs connect again.',
    todo: 'With SIGKILL look for the out-of-memory killer; else report it.',
  },
  'gateway key replaced': {
    levels: ['warn'],
    fields: ['address'],
    means: 'A login has opened another key than the sessions that were on. They ended; the next login works.',
    todo: 'Nothing, if the owner of the key has wrapped another one.',
  },
  'the process of a user ended': {
    levels: ['warn'],
    fields: ['address', 'code', 'signal'],
    means: 'Their sessions ended with it. Their programs connect again.',
    todo: 'With SIGKILL look for the out-of-memory killer; else report it.',
  },
} as const satisfies Record<string, EventRow>;
