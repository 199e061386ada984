/**
 * The names of messages in new/ and cur/ (maildir(5), Maildir++): BASE or BASE:2,FLAGS, where BASE may tell
 * sizes (`,S=1234,W=1250`). IMAP servers know a message by its base. A name has one character for each byte
 * (latin1), since it need not be UTF-8.
 */

/** Returns the name without its flags. */
export function baseOf(name: string): string {
  const at = name.indexOf(':');
  return at === -1 ? name : name.slice(0, at);
}

/** Returns what stays of a message's name when its flags and sizes change. */
export function keyOf(name: string): string {
  return name.replace(/:2,.*$/s, '').replaceAll(/,[SW]=\d+/g, '');
}

/** Returns the name with the sizes that the message now has, where the name tells them. */
export function withSizes(name: string, size: number, wireSize: number): string {
  const base = baseOf(name);
  const sized = base.replace(/,S=\d+/, `,S=${size}`).replace(/,W=\d+/, `,W=${wireSize}`);
  return sized + name.slice(base.length);
}
