// DKIM as a signer and a verifier know it, by python3-dkim of Debian, which only Debian's own Python has. The
// public key is handed over, so that nobody asks a name server.

import { generateKeyPairSync } from 'node:crypto';
import { run } from './process.ts';

export interface DkimKey {
  readonly privateKey: string;
  /** What the name server would answer. */
  readonly record: string;
}

export function makeDkimKey(): DkimKey {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const der = publicKey.export({ type: 'spki', format: 'der' }).toString('base64');
  return {
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
    record: `v=DKIM1; k=rsa; p=${der}`,
  };
}

const SIGN = `
import dkim, sys
message = sys.stdin.buffer.read()
headers = [b'from', b'to', b'subject', b'date', b'content-type']
signature = dkim.sign(message, b'test', b'example.org', sys.argv[1].encode(), include_headers=headers)
sys.stdout.buffer.write(signature)
`;
const VERIFY = `
import dkim, sys
message = sys.stdin.buffer.read()
print(dkim.verify(message, dnsfunc=lambda name, timeout=5: sys.argv[1].encode()))
`;

/** Returns the message with a signature of example.org on top, also over fields that it does not have. */
export async function dkimSign(message: Buffer, { privateKey }: DkimKey): Promise<Buffer> {
  const { code, stdout, stderr } = await run('/usr/bin/python3', ['-c', SIGN, privateKey], {
    stdin: message,
  });
  if (code !== 0) throw new Error(`dkim.sign: exit ${code}: ${stderr}`);
  return Buffer.concat([stdout, message]);
}

export async function dkimVerifies(message: Buffer, { record }: DkimKey): Promise<boolean> {
  const { code, stdout, stderr } = await run('/usr/bin/python3', ['-c', VERIFY, record], { stdin: message });
  if (code !== 0) throw new Error(`dkim.verify: exit ${code}: ${stderr}`);
  return stdout.toString().trim() === 'True';
}
