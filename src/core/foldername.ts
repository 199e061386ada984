/**
 * Names of folders: which ones there may be, and the directory that each has in a Maildir (Maildir++).
 * `Lists.sealdir` and `Lists/sealdir` are one folder, `sealdir` in `Lists`, and its directory is
 * `.Lists.sealdir`. Knows nothing of disks.
 */

/** How a name that is not ASCII stands on disk. */
export type FolderEncoding = 'utf-7' | 'utf-8';

/** A name that no folder may have. */
export class BadFolder extends Error {}

const MOST_LEVELS = 10;
/** Of a directory. A file system allows 255, and IMAP servers add to it while they rename. */
const MOST_BYTES = 200;
/** Wildcards and delimiters of IMAP, and what shells and IMAP servers take for something else. */
const ODD = /["\\*%]|^[~#]/;
const UNSEEN = /[\p{C}\p{Zl}\p{Zp}]/u;
const RESERVED = /^(cur|new|tmp)$/i;

/**
 * Returns the directory in the Maildir, '' for INBOX. Throws BadFolder, with the end of a sentence that
 * begins with the name.
 */
export function folderDirectory(name: string, encoding: FolderEncoding): string {
  if (name.toUpperCase() === 'INBOX') return '';
  const levels = name.normalize('NFC').split(/[./]/);
  if (levels.length > MOST_LEVELS) throw new BadFolder(`has more than ${MOST_LEVELS} levels`);
  for (const level of levels) checkLevel(level);
  if (levels[0]?.toUpperCase() === 'INBOX')
    throw new BadFolder('begins with INBOX: on disk folders stand beside it, so leave it out');
  const directory = `.${levels.map((level) => (encoding === 'utf-7' ? utf7(level) : level)).join('.')}`;
  if (Buffer.byteLength(directory) > MOST_BYTES)
    throw new BadFolder(`makes a name of more than ${MOST_BYTES} bytes`);
  return directory;
}

function checkLevel(level: string): void {
  if (level === '') throw new BadFolder('has nothing before, after or between its dots');
  if (level.trim() !== level) throw new BadFolder('has a blank at an end');
  if (UNSEEN.test(level)) throw new BadFolder('has a character that cannot be seen');
  const [odd] = ODD.exec(level) ?? [];
  if (odd !== undefined) throw new BadFolder(`has a ${odd}, which means something else to IMAP servers`);
  if (RESERVED.test(level)) throw new BadFolder(`has a level "${level}", which Maildirs use themselves`);
}

/** Returns a text in the modified UTF-7 of IMAP (RFC 3501 §5.1.3). */
function utf7(text: string): string {
  return text.replaceAll('&', '&-').replace(/[^\x20-\x7e]+/g, (run) => {
    const units = Buffer.from(run, 'utf16le').swap16();
    return `&${units.toString('base64').replaceAll('/', ',').replace(/=+$/, '')}-`;
  });
}
