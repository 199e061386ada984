/** The events of the server and its deliveries, but for those about keys. The table is in events.ts. */
import { type EventRow, FAULT, OUTCOME } from './eventrow.ts';
import { STATE_EVENTS } from './stateevents.ts';

const OURS = 'Report it, with the line: it is a mistake in Sealdir. The mail server tries again.';

export const SERVER_EVENTS = {
  // deliveries
  stored: {
    levels: ['info'],
    fields: OUTCOME,
    means:
      'The copy of a recipient is sealed and durable, or was before (`why` is `duplicate`), or was encrypted to them already and is stored as it came (`storedAsCame`).',
    todo: 'Nothing, but for `"why":"storedHeld"`: the message waits for you ([keys.hold](README.md#when-a-key-has-expired)).',
  },
  deferred: {
    levels: ['info', 'warn'],
    fields: OUTCOME,
    means:
      'A recipient was told to wait: the mail server tries again. A warning where there are `reasons`, such as a bad key or an error of the disk.',
    todo: 'See `why` in [README](README.md#when-something-goes-wrong), and `reasons`.',
  },
  refused: {
    levels: ['info', 'warn'],
    fields: OUTCOME,
    means: 'A recipient was refused for good: the mail server returns the message to its sender.',
    todo: 'Nothing for `unknownRecipient`; else see `why` and `reasons`.',
  },

  // the server
  listening: {
    levels: ['info'],
    fields: ['lmtp', 'metrics', 'config', 'owners'],
    means: 'The server, or `sealdir owners`, has started.',
    todo: '',
  },
  'demo sample': {
    levels: ['info'],
    fields: ['reply'],
    means: 'The demo has delivered its first message.',
    todo: '',
  },
  'socket not used': {
    levels: ['warn'],
    fields: ['name'],
    means: 'systemd passes a socket that no setting names: whoever connects there waits.',
    todo: 'Name it in `lmtp.listen` (`"systemd:NAME"`), or disable its unit.',
  },
  systemd: {
    levels: ['error', 'warn'],
    fields: FAULT,
    means:
      'systemd could not be told how the server is (`systemd-notify`), or (a warning) what it says in the environment makes no sense and is ignored.',
    todo: 'See `error`. If it goes on, take the drop-in `supervised.conf` away, or systemd starts the server anew.',
  },
  stopping: {
    levels: ['info'],
    fields: ['reason'],
    means: 'A signal came: messages under way are finished.',
    todo: '',
  },
  stopped: { levels: ['info'], fields: [], means: 'It has ended.', todo: '' },
  'configuration and keys reloaded': {
    levels: ['info'],
    fields: ['changed'],
    means: 'A reload was done; `changed` names the settings that are others now.',
    todo: '',
  },
  'changed settings need a restart': {
    levels: ['warn'],
    fields: ['settings'],
    means: 'A reload has met settings that a running server keeps as they were.',
    todo: '`systemctl restart sealdir`.',
  },
  'configuration refused, the running one stays': {
    levels: ['error'],
    fields: ['errors'],
    means: 'A reload met mistakes in the configuration, and changed nothing.',
    todo: 'Mend them, and reload.',
  },
  check: {
    levels: ['info', 'warn', 'error'],
    fields: ['id', 'what', 'why', 'fix', ...FAULT],
    means: 'What `sealdir check` finds, looked for at each start. With `error`: it could not look.',
    todo: 'Do what `fix` says, and run `sealdir check`.',
  },
  'swept old files from tmp/': {
    levels: ['info'],
    fields: ['removed', 'failed'],
    means: 'Parts of messages that a crash had left were removed, after 36 hours.',
    todo: 'If `failed` stays above 0, look at the owners of the mailboxes.',
  },
  sweep: {
    levels: ['error'],
    fields: FAULT,
    means: 'The store could not be looked through for such files.',
    todo: 'Look at the disk. It is tried again within an hour.',
  },
  'log.addresses': {
    levels: ['error'],
    fields: FAULT,
    means:
      'The secret in `keys.state` cannot be used. Addresses are hashed with another one, which ends with this process.',
    todo: 'Mend `keys.state`, and restart.',
  },
  'core dumps are not turned off: one may hold mail in clear': {
    levels: ['warn'],
    fields: ['reason'],
    means: 'The system did not allow it.',
    todo: 'Set `LimitCORE=0` in the unit, or turn core dumps off for the machine.',
  },
  ...STATE_EVENTS,
  'store.forward': {
    levels: ['error'],
    fields: FAULT,
    means:
      'A next hop cannot be reached, or does not greet as LMTP: mail for it is deferred. Said once, until it can be reached again.',
    todo: 'Start it, or mend `store.forward`; `sealdir check` tries it.',
  },
  'store.maildirsize': {
    levels: ['error'],
    fields: FAULT,
    means: 'A message is stored, but could not be added to the file `maildirsize`.',
    todo: 'Look at the owner of that file. Dovecot counts anew when it is removed.',
  },
  tls_report: {
    levels: ['error'],
    fields: FAULT,
    means: 'What came with which TLS could not be read from `store.state`, or not be written there.',
    todo: 'A file that cannot be read is `tls-report.damaged` from then on, and counting begins anew. Else look at the disk; it is tried again.',
  },
  figures: { levels: ['error'], fields: FAULT, means: 'A worker could not count.', todo: OURS },

  // processes
  worker: {
    levels: ['error'],
    fields: FAULT,
    means: 'A process that delivers could not be started or spoken to.',
    todo: 'Look at the limits of memory and processes.',
  },
  'worker says on standard error': {
    levels: ['error'],
    fields: ['pid', 'text'],
    means: 'Node itself said something, mostly before its end.',
    todo: 'Report it, unless it ran out of memory.',
  },
  'worker died, replacing it': {
    levels: ['warn'],
    fields: ['pid', 'code', 'signal'],
    means: 'A process that delivers has ended; no message that was acknowledged is lost.',
    todo: 'With SIGKILL look for the out-of-memory killer; else report it.',
  },
  'keeper says on standard error': {
    levels: ['error'],
    fields: ['text'],
    means: 'As for a worker.',
    todo: 'Report it, unless it ran out of memory.',
  },
  'the keeper of the keys died, starting it again': {
    levels: ['warn'],
    fields: ['code', 'signal'],
    means: 'The process that looks after the keys has ended. Mail goes on; no change of a key is missed.',
    todo: 'As for a worker.',
  },
  'a writer failed': {
    levels: ['warn'],
    fields: ['uid', 'gid', 'error'],
    means: '`sealdir owners` could not start a process for a user. Their mail is deferred.',
    todo: 'Look at the limits of memory and processes.',
  },
  'a writer ended': {
    levels: ['warn'],
    fields: ['uid', 'gid', 'code', 'signal'],
    means: 'Such a process ended before it should.',
    todo: 'If it goes on, look at the home of that user.',
  },

  // sessions
  'TLS client': {
    levels: ['warn'],
    fields: ['client', 'why'],
    means: 'A client of TLS was not accepted, and is deferred.',
    todo: 'If it is your mail server, see [TLS](README.md#tls).',
  },
  'lmtp socket': {
    levels: ['error'],
    fields: FAULT,
    means: 'A listening socket has failed.',
    todo: 'With EMFILE raise `LimitNOFILE=`.',
  },
  'lmtp connection': {
    levels: ['debug', 'error'],
    fields: FAULT,
    means: 'A connection broke. For debugging only, where it is the client that went away.',
    todo: 'Look at the log of the mail server.',
  },
  session: {
    levels: ['error'],
    fields: FAULT,
    means: 'A session was ended by a mistake of ours.',
    todo: OURS,
  },
  command: { levels: ['error'], fields: FAULT, means: 'A command was answered 451.', todo: OURS },
  delivery: { levels: ['error'], fields: FAULT, means: 'A message was answered 451.', todo: OURS },
  abort: {
    levels: ['error'],
    fields: FAULT,
    means: 'What had begun of a message was not all removed.',
    todo: OURS,
  },
  tls: {
    levels: ['error'],
    fields: FAULT,
    means: 'Certificates that had been tried cannot be used. TLS is answered 454.',
    todo: OURS,
  },
  'certificates reloaded': {
    levels: ['info'],
    fields: ['files'],
    means: 'New connections are shown the new certificates.',
    todo: '',
  },
  'new certificates cannot be used, the old ones stay': {
    levels: ['error'],
    fields: FAULT,
    means: 'A file of `tls.certificate`, `tls.key` or `tls.client_ca` has changed, and does not fit.',
    todo: 'Mend what `error` says. Nothing has to be restarted.',
  },

  // recipients
  recipients: {
    levels: ['error'],
    fields: FAULT,
    means: 'The recipient source could not be closed, at a reload or at the end.',
    todo: '',
  },
  'recipients.map_listen': {
    levels: ['error'],
    fields: FAULT,
    means: 'A question of the mail server could not be answered: it is told to try again.',
    todo: 'Look at the recipient source.',
  },
} as const satisfies Record<string, EventRow>;
