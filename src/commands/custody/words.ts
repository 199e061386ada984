/** What users are told when they put a secret key on a server. Each text is lines for a terminal. */

/** SECURITY.md says the same at length. */
export const HONEST = `What this means. The wrapped key is for a server, and opens there while you are logged in.
- Whoever administers the server, or has broken into it, can have your key at that
  moment, and read all your mail from then on. Who never logs in there is safe from it.
- Whoever learns one of its passwords or codes can log in there, and read your mail, until
  you revoke it. Today a stolen IMAP password shows sealed mail only (SECURITY.md).
- Whoever only has a copy of the wrapped key needs one of its passwords or codes.
`;

/** For those who have a password among them. */
export const PASSWORD_HONEST = `- Codes cannot be guessed. A password can: with it, that copy is as safe as the password
  is hard to guess, and whoever has the copy may try for years.
`;

/** After a slot is gone or has another secret. */
export const OLD_COPIES =
  'Copies of the file from before still open with what opened them: they were not changed.';

export const RECOVERY_STAYS =
  'The recovery key that "enroll" made still has the code of before as its passphrase. Make another with ' +
  '"sealdir recover", and destroy the old one.';

export function codeLines(what: string, code: string): string {
  return `\n${what}\n\n    ${code}\n\n`;
}
