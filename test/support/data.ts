// The straightforward reading of what follows DATA, to hold the fast one against.

/** `rest` is undefined as long as the data has not ended. Text is latin1: a character is a byte. */
export interface ReadData {
  readonly message: string;
  readonly rest: string | undefined;
}

/**
 * The rule, by lines (RFC 5321 §4.5.2): only CRLF ends a line. A line that is one dot ends the
 * data; a dot in front of any other line goes. The last line, not ended yet, may still turn out to
 * be the end: of `.` and `.` CR nothing is given out so far.
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
