/** Which capabilities a server behind is said to have: those that were thought through here, no others. */

const OFFERED = new Set([
  ...['IMAP4REV1', 'LITERAL+', 'LITERAL-', 'UIDPLUS', 'MOVE', 'IDLE', 'ENABLE', 'CONDSTORE', 'NAMESPACE'],
  ...['CHILDREN', 'SPECIAL-USE', 'CREATE-SPECIAL-USE', 'LIST-EXTENDED', 'LIST-STATUS', 'UNSELECT', 'ID'],
  ...['QUOTA'],
]);

/** Returns those of a list that are offered too. */
export function offeredOf(capabilities: string): string {
  return capabilities
    .split(' ')
    .filter((each) => OFFERED.has(each.toUpperCase()))
    .join(' ');
}

const IN_CODE = /\[CAPABILITY ([^\]]*)\]/i;
const UNTAGGED = /^(\* CAPABILITY )(.*)$/i;

/** Returns a line of a server with what it says about capabilities (untagged, or as a code) narrowed. */
export function narrowed(line: string): string {
  const untagged = UNTAGGED.exec(line);
  if (untagged !== null) return `${untagged[1]}${offeredOf(untagged[2] ?? '')}`;
  return line.replace(IN_CODE, (_, list: string) => `[CAPABILITY ${offeredOf(list)}]`);
}
