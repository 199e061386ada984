// The smallest SMTP client: hands one message to a mail server and changes none of its bytes.

import { once } from 'node:events';
import { connect } from 'node:net';
import { asData } from './wireform.ts';

export interface Submission {
  from: string;
  to: readonly string[];
  /** In wire form, not dot-stuffed. */
  message: Buffer;
  /** Parameters of MAIL, for instance `BODY=8BITMIME SMTPUTF8`. */
  parameters?: string;
  /** More commands before MAIL, each of which has to succeed, such as `XCLIENT ADDR=203.0.113.7`. */
  before?: readonly string[];
}

/** Resolves to the reply to the message. Rejects at the first reply that is no success. */
export async function submit(port: number, submission: Submission): Promise<string> {
  const socket = connect(port, '127.0.0.1').setEncoding('latin1').setTimeout(30_000);
  socket.on('timeout', () => socket.destroy(new Error(`port ${port}: no reply within 30 s`)));
  await once(socket, 'connect');
  const replies = repliesOf(socket);
  const ask = async (command: string | Buffer, expected: RegExp): Promise<string> => {
    socket.write(command);
    const { value } = await replies.next();
    if (typeof value !== 'string' || !expected.test(value)) throw new Error(`unexpected reply: ${value}`);
    return value;
  };
  try {
    await ask('', /^220/);
    await ask('EHLO client.test\r\n', /^250/);
    for (const command of submission.before ?? []) await ask(`${command}\r\n`, /^2/);
    await ask(
      `MAIL FROM:<${submission.from}> ${submission.parameters ?? ''}`.trimEnd().concat('\r\n'),
      /^250/,
    );
    for (const recipient of submission.to) await ask(`RCPT TO:<${recipient}>\r\n`, /^250/);
    await ask('DATA\r\n', /^354/);
    const reply = await ask(asData(submission.message), /^250/);
    await ask('QUIT\r\n', /^221/);
    return reply;
  } finally {
    socket.destroy();
  }
}

/** Yields whole replies, with their lines joined by LF. */
async function* repliesOf(chunks: AsyncIterable<string>): AsyncGenerator<string, undefined> {
  let pending = '';
  for await (const chunk of chunks) {
    pending += chunk;
    for (let reply = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(pending); reply; ) {
      yield reply[0].trimEnd().replaceAll('\r\n', '\n');
      pending = pending.slice(reply[0].length);
      reply = /^(?:\d{3}-.*\r\n)*\d{3}(?: .*)?\r\n/.exec(pending);
    }
  }
}
