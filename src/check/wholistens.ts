/** Finds out who listens on an address: connects, says a line where that is needed, and reads the answer. */
import { connect, type NetConnectOpts } from 'node:net';

/** What to say first (nothing to a server that greets), and what in the answer tells a Sealdir. */
export interface Question {
  readonly say: string;
  readonly expect: string;
}

const ANSWER_MS = 2000;

export function whoListens(
  at: NetConnectOpts,
  { say, expect }: Question,
): Promise<'nobody' | 'sealdir' | 'another'> {
  return new Promise((resolve) => {
    let heard = '';
    const socket = connect(at, () => socket.write(say));
    const done = (who: 'nobody' | 'sealdir' | 'another') => {
      clearTimeout(timer);
      socket.destroy();
      resolve(who);
    };
    const timer = setTimeout(() => done('another'), ANSWER_MS);
    socket.on('error', ({ code }: NodeJS.ErrnoException) =>
      done(code === 'ECONNREFUSED' ? 'nobody' : 'another'),
    );
    socket.on('data', (bytes) => {
      heard += bytes.toString('latin1');
      if (heard.includes(expect)) done('sealdir');
    });
    socket.on('end', () => done('another'));
  });
}
