// Python's email package as a reader of messages: one process that answers for one message after another.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { programPath } from './peers.ts';

/** What Python makes of a message. */
export interface PythonView {
  /** The place of the first byte that it takes for body; the length of the message if there is none. */
  readonly bodyStart: number;
  /** The content types of the message and of all its parts, from the outside in. */
  readonly types: readonly string[];
  readonly subject: string | null;
}

export interface PythonReader {
  view(message: Buffer): Promise<PythonView>;
  close(): Promise<void>;
}

// Reads a length of four bytes and a message, answers with a line of JSON, and ends with its input. The raw
// payload is taken since get_payload() would decode it.
const PROGRAM = `
import email, email.parser, json, struct, sys
stdin = sys.stdin.buffer
while head := stdin.read(4):
    data = stdin.read(struct.unpack('>I', head)[0])
    body = email.parser.BytesHeaderParser().parsebytes(data)._payload or ''
    whole = email.message_from_bytes(data)
    subject = whole['subject']
    print(json.dumps({
        'bodyStart': len(data) - len(body),
        'types': [part.get_content_type() for part in whole.walk()],
        'subject': None if subject is None else str(subject),
    }), flush=True)
`;

export async function openPythonReader(): Promise<PythonReader> {
  const child = spawn(programPath('python3') ?? 'python3', ['-c', PROGRAM], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  await once(child, 'spawn');
  const closed = once(child, 'close');
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  return {
    async view(message) {
      const length = Buffer.alloc(4);
      length.writeUInt32BE(message.length);
      child.stdin.write(Buffer.concat([length, message]));
      const { value, done } = await lines.next();
      if (done === true) throw new Error('python3 has ended');
      return JSON.parse(value as string) as PythonView;
    },
    async close() {
      child.stdin.end();
      await closed;
    },
  };
}
