/** The process of the front: what it is given, and what it tells. */
import type { Socket } from 'node:net';
import { turnOffCoreDumps } from '../edge/coredumps.ts';
import { Front } from './front.ts';
import type { AnswerTo, Taken, ToFront } from './messages.ts';
import { endWithParent } from './processes.ts';

endWithParent();
const given = turnOffCoreDumps(); // connections wait for it
process.once('message', (options: ToFront) => {
  const front = new Front(options, (message) => {
    if (process.connected) process.send?.(message);
  });
  process.on('message', (message: Taken | AnswerTo, socket?: Socket) => {
    if ('answer' in message) front.answered(message);
    else if (socket !== undefined) void given.then(() => front.take(socket, message));
    // a connection that was lost on its way here
    else process.send?.({ connection: message.connection, ended: true });
  });
});
