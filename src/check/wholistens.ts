/** Finds out who listens on an address: connects, says a line where that is needed, and reads the answer. */
import { connect, type NetConnectOpts } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Opening } from '../core/listener.ts';

/** What to say first (nothing to a server that greets), and what in the answer tells a Sealdir. */
export interface Question {
  readonly say: string;
  readonly expect: string;
  /** Left out: in clear. */
  readonly opening?: Opening;
}

const ANSWER_MS = 2000;

export function whoListens(
  at: NetConnectOpts,
  { say, expect, opening = 'plain' }: Question,
): Promise<'nobody' | 'sealdir' | 'another'> {
  return new Promise((resolve) => {
    let heard = '';
    const begin = () => socket.write(say);
    // whose certificate it is does not matter: nothing is told
    const socket =
      opening === 'plain' ? connect(at, begin) : connectTls({ ...at, rejectUnauthorized: false }, begin);
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
