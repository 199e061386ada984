/** The process of the front: what it is given, and what it tells. */
import type { Socket } from 'node:net';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { Front } from './front.ts';
import type { AnswerTo, Taken, ToFront } from './messages.ts';
import { endWithParent } from './processes.ts';

let front: Front | undefined;
endWithParent(() => front?.sayBye());
const given = turnOffCoreDumps(); // connections wait for it
process.once('message', (options: ToFront) => {
  const begun = new Front(options, (message) => {
    if (process.connected) process.send?.(message);
  });
  front = begun;
  process.on('message', (message: Taken | AnswerTo, socket?: Socket) => {
    if ('answer' in message) begun.answered(message);
    else if (socket !== undefined) void given.then(() => begun.take(socket, message));
    // a connection that was lost on its way here
    else process.send?.({ connection: message.connection, ended: true });
  });
});
