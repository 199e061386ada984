// Strings that are planted in messages, and a search for them where nothing of a message may be. It finds
// them in plain text, in base64 with any alignment and any line breaks, and in quoted-printable with any part
// encoded.
//
// With header policy `visible` the subject may stand in the outer header of a stored message and nowhere
// else. Text and names of attachments may stand nowhere.

import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { filesBelow, type StoredFile } from './delivery.ts';

export interface Canaries {
  readonly subject: string;
  readonly body: string;
  readonly fileName: string;
}

/** Makes canaries unlike any planted before. */
export function newCanaries(): Canaries {
  const unique = (what: string) => `canary${what}${randomBytes(12).toString('hex')}`;
  return { subject: unique('S'), body: unique('B'), fileName: unique('F') };
}

/** Returns a message in wire form with each canary in its place, and `more` at the end of its text. */
export function messageWith({ subject, body, fileName }: Canaries, more = ''): Buffer {
  return Buffer.from(
    [
      'From: sender@example.org',
      `Subject: ${subject}`,
      'MIME-Version: 1.0',
      `Content-Type: multipart/mixed; boundary="b"; name="${fileName}"`,
      '',
      '--b',
      '',
      body,
      '--b',
      `Content-Disposition: attachment; filename="${fileName}.txt"`,
      '',
      `${body}${more}`,
      '--b--',
      '',
    ].join('\r\n'),
  );
}

/** In base64 less than this leaves nothing that does not depend on what stands around it. */
const LEAST_CHARACTERS = 7;

/** Tells whether `bytes` hold `canary` in any of its forms. */
export function holds(bytes: Buffer, canary: string): boolean {
  if (canary.length < LEAST_CHARACTERS) throw new RangeError(`"${canary}" is too short to be told apart`);
  return bytes.includes(canary) || quotedPrintable(bytes).includes(canary) || inBase64(bytes, canary);
}

function quotedPrintable(bytes: Buffer): string {
  const unbroken = bytes.toString('latin1').replace(/=\r?\n/g, '');
  return unbroken.replace(/=([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
}

function inBase64(bytes: Buffer, canary: string): boolean {
  const packed = bytes.toString('latin1').replace(/\s/g, '');
  return ['', 'x', 'xx'].some((before) => {
    const encoded = Buffer.from(before + canary).toString('base64');
    // The first and the last characters depend on the bytes beside the canary.
    return packed.includes(encoded.slice(4, -4));
  });
}

/** Returns the canaries that a text of ours shows, such as a log, a reply or a page. There should be none. */
export function shownIn(text: string | Buffer, canaries: Canaries): string[] {
  const bytes = Buffer.from(text);
  return Object.values(canaries).filter((canary: string) => holds(bytes, canary));
}

/**
 * Returns a sentence for each file below `directory` that shows a canary, except for the subject in the
 * header of a stored message.
 */
export async function searchFiles(directory: string, canaries: Canaries): Promise<string[]> {
  return (await filesBelow(directory)).flatMap((file) =>
    shownIn(hidden(file, canaries), canaries).map((canary) => `${file.path} shows ${canary}`),
  );
}

function hidden({ path, bytes }: StoredFile, { subject }: Canaries): Buffer {
  if (!/(^|\/)(tmp|new|cur)\/[^/]+$/.test(path)) return bytes;
  const end = bytes.indexOf('\n\n');
  const header = bytes.subarray(0, end === -1 ? bytes.length : end + 1);
  const rest = bytes.subarray(header.length);
  return Buffer.concat([Buffer.from(header.toString('latin1').replace(`Subject: ${subject}\n`, '')), rest]);
}

const BLOCK_BYTES = 1024 * 1024;
const OVERLAP_BYTES = 4096;

/**
 * Does the same for the raw image of a file system. There headers cannot be told from the rest, so it does
 * not look for subjects.
 */
export async function searchImage(path: string, { body, fileName }: Canaries): Promise<string[]> {
  const found = new Set<string>();
  const zeros = Buffer.alloc(BLOCK_BYTES);
  let before: Buffer = Buffer.alloc(0);
  for await (const read of createReadStream(path, { highWaterMark: BLOCK_BYTES })) {
    const block = read as Buffer;
    if (!block.equals(zeros.subarray(0, block.length))) {
      const bytes = Buffer.concat([before, block]);
      for (const canary of [body, fileName]) if (holds(bytes, canary)) found.add(`${path} shows ${canary}`);
    }
    before = block.subarray(-OVERLAP_BYTES);
  }
  return [...found];
}
