// Reads what follows DATA in the straightforward way. The fast reader is compared with it.

/** Text is latin1: a character is a byte. `rest` is undefined as long as the data has not ended. */
export interface ReadData {
  readonly message: string;
  readonly rest: string | undefined;
}

/**
 * Applies the rule line by line (RFC 5321 §4.5.2). Only CRLF ends a line. A line of a single dot ends the
 * data. From any other line a leading dot is removed. The last line may not have ended yet: while it is `.`
 * or `.` CR, nothing of it is given out, since it may become the end.
 */
export function readData(data: string): ReadData {
  let message = '';
  let rest = data;
  for (let end = rest.indexOf('\r\n'); end !== -1; end = rest.indexOf('\r\n')) {
    const line = rest.slice(0, end);
    rest = rest.slice(end + 2);
    if (line === '.') return { message, rest };
    message += `${line.replace(/^\./, '')}\r\n`;
  }
  if (rest === '.' || rest === '.\r') return { message, rest: undefined };
  return { message: message + rest.replace(/^\./, ''), rest: undefined };
}
