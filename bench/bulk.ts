// Encrypts one long stream. Each contestant runs in a process of its own, and its output is thrown away. The
// second of two runs counts: in a server, earlier messages have made V8 compile the code and the kernel map
// the memory.
//
// `node bulk.js NAME FILE CERTIFICATE` prints how many seconds it took. Foreign programs read the same file
// from a pipe.

import { readFileSync } from 'node:fs';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { run } from '../test/support/process.ts';
import { ENCRYPTORS, type EncryptorName } from './encryptors.ts';

const SELF = fileURLToPath(import.meta.url);
const PIECE_BYTES = 65_536;

/**
 * Resolves to the seconds in one thread of Node, without the start of the process and the reading of the
 * file.
 */
export async function secondsInNode(
  name: EncryptorName,
  file: string,
  certificateFile: string,
): Promise<number> {
  const { code, stdout, stderr } = await run(process.execPath, [SELF, name, file, certificateFile]);
  if (code !== 0) throw new Error(`${name}: exit ${code}: ${stderr}`);
  return Number(stdout.toString());
}

/**
 * Resolves to the seconds of a program that encrypts its standard input, with its start of some milliseconds.
 */
export async function secondsOf(command: string, args: readonly string[], file: string): Promise<number> {
  const shell = ['-c', 'file=$0; exec "$@" <"$file" >/dev/null', file, command, ...args];
  const start = performance.now();
  const { code, stderr } = await run('sh', shell);
  if (code !== 0) throw new Error(`${command}: exit ${code}: ${stderr}`);
  return (performance.now() - start) / 1000;
}

async function main(name: EncryptorName, file: string, certificateFile: string): Promise<void> {
  const certificate = readFileSync(certificateFile, 'latin1');
  const message = readFileSync(file);
  const pieces: Buffer[] = [];
  for (let at = 0; at < message.length; at += PIECE_BYTES)
    pieces.push(message.subarray(at, at + PIECE_BYTES));
  const encrypt = await ENCRYPTORS[name](certificate);
  await encrypt(pieces);
  const start = performance.now();
  const bytes = await encrypt(pieces);
  const seconds = (performance.now() - start) / 1000;
  if (bytes < message.length) throw new Error(`${bytes} bytes out of ${message.length}`);
  console.log(seconds);
}

if (process.argv[1] === SELF) {
  const [, , name = '', file = '', certificateFile = ''] = process.argv;
  await main(name as EncryptorName, file, certificateFile);
}
