// The type of a fixture, and the few lines that most of them start with.

export interface Fixture {
  name: string;
  /** In wire form: not dot-stuffed, ending in CRLF. */
  bytes: Buffer;
}

export const HEADER = 'From: a@example.org\r\nTo: b@example.com\r\nSubject: fixture\r\n';
export const MIME = `${HEADER}MIME-Version: 1.0\r\n`;

export function fixture(name: string, ...parts: readonly (string | Buffer)[]): Fixture {
  return { name, bytes: wire(...parts) };
}

/** Joins parts to a message. Strings hold one byte per character. */
export function wire(...parts: readonly (string | Buffer)[]): Buffer {
  return Buffer.concat(parts.map((part) => (typeof part === 'string' ? Buffer.from(part, 'latin1') : part)));
}
