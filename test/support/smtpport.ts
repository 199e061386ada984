// A mail server of a test that takes what programs send, and keeps it.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { SMTPServer } from 'smtp-server';

export interface SmtpPort {
  /** SMTP on 127.0.0.1, without TLS and without a login. */
  readonly port: number;
  readonly sent: readonly Buffer[];
  stop(): Promise<void>;
}

export async function openSmtpPort(): Promise<SmtpPort> {
  const sent: Buffer[] = [];
  const smtp = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS', 'AUTH'],
    disableReverseLookup: true,
    onData(stream, _session, callback) {
      const pieces: Buffer[] = [];
      stream.on('data', (piece: Buffer) => pieces.push(piece));
      stream.once('end', () => {
        sent.push(Buffer.concat(pieces));
        callback();
      });
    },
  });
  const { server } = smtp;
  smtp.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    sent,
    stop: () => new Promise((resolve) => smtp.close(resolve)),
  };
}
