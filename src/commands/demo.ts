/**
 * What `npm start` gives a newcomer without any configuration: a recipient with a key, one delivered sample,
 * and the commands to open it and to send the next one. Everything it writes is under var/.
 */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { generateKeyPair } from '../keys/secretkeys.ts';
import { deliver } from '../lmtp/client.ts';
import { DEMO_SECRET } from './demoplace.ts';

const ADDRESS = 'demo@localhost';
const CERTIFICATE = `var/keys/${ADDRESS}.asc`;
const NEW = 'var/mail/localhost/demo/new';
/** Nobody waits for longer to see a demo begin. */
const SILENCE_MS = 60_000;

/** Makes var/ and the demo recipient in it. Resolves to true if the recipient is new. */
export async function prepareDemo(): Promise<boolean> {
  await mkdir('var/keys', { recursive: true });
  await mkdir('var/mail', { recursive: true, mode: 0o700 });
  if (existsSync(CERTIFICATE)) return false;
  const { certificate, secretKey } = await generateKeyPair({ email: ADDRESS });
  await writeFile(DEMO_SECRET, secretKey, { mode: 0o600 });
  await writeFile(CERTIFICATE, certificate);
  return true;
}

/** Delivers the sample through our own socket, as a mail server would. Resolves to the reply to its DATA. */
export async function deliverSample(socketPath: string): Promise<string> {
  const lines = [
    'From: Sealdir <sealdir@localhost>',
    `To: ${ADDRESS}`,
    'Subject: Your first sealed message',
    `Date: ${new Date().toUTCString().replace('GMT', '+0000')}`,
    `Message-ID: <${randomBytes(12).toString('hex')}@localhost>`,
    '',
    'Nobody but the holder of your secret key can read this line.',
  ];
  const message = Readable.from([Buffer.from(lines.map((line) => `${line}\r\n`).join(''))]);
  const outgoing = { host: 'localhost', sender: 'sealdir@localhost', recipients: [ADDRESS], message };
  const [reply] = await deliver({ path: socketPath }, outgoing, SILENCE_MS);
  return reply?.text ?? '';
}

/** Returns what a demo server prints when it is ready. */
export async function demoText(isFirstStart: boolean, metrics: string | undefined): Promise<string> {
  const files = existsSync(NEW) ? (await readdir(NEW)).sort() : [];
  const sample = files[0];
  const lines = [
    '',
    'Sealdir is running with demo settings; everything it writes is under var/.',
    '',
    `  LMTP      127.0.0.1:2424 and var/lmtp.sock`,
    `  metrics   ${metrics === undefined ? 'off' : `http://${metrics}/metrics`}`,
    `  recipient ${ADDRESS}  (public key ${CERTIFICATE}, secret key ${DEMO_SECRET})`,
  ];
  if (sample !== undefined) {
    lines.push(
      '',
      isFirstStart
        ? 'A first message has been delivered. What is stored is sealed:'
        : 'A stored message, sealed:',
      '',
      `  cat '${join(NEW, sample)}'`,
      '',
      'Open it:',
      '',
      `  node dist/src/sealdir.cjs open '${join(NEW, sample)}'`,
    );
  }
  lines.push(
    '',
    'Send the next one (in bash, from another terminal in this directory) and open the newest:',
    '',
    `  (exec 3<>/dev/tcp/127.0.0.1/2424; printf '%s\\r\\n' 'LHLO me' 'MAIL FROM:<me@localhost>' 'RCPT TO:<${ADDRESS}>' DATA 'Subject: second' '' 'Hello, it is me.' . QUIT >&3; cat <&3)`,
    `  node dist/src/sealdir.cjs open "$(ls -t ${NEW}/* | head -n 1)"`,
    '',
    'Stop with Ctrl-C. For a real server: README.md, config/sealdir.toml.example.',
    '',
  );
  return `${lines.join('\n')}\n`;
}
