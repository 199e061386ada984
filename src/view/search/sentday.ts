/**
 * The day in a Date field (RFC 5322 §3.3) for SENTON and its like, which is the day that the sender has
 * written: neither the time of day nor the time zone counts (RFC 3501 §6.4.4).
 */

const MONTHS = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const FORM =
  /^(?:[a-z]{3} ?, ?)?(\d{1,2}) ([a-z]{3})[a-z]* (\d{2,4}) (\d{1,2}) ?[:.] ?(\d{2})(?: ?[:.] ?(\d{2}))?(?: |$)/i;

/** Returns the number of days since 1970-01-01, or undefined for what is no date. */
export function sentDay(value: string): number | undefined {
  const text = value
    .replace(/\([^()]*\)/g, ' ')
    .replace(/[ \t\r\n]+/g, ' ')
    .trim();
  const [, day, month = '', year = '', hour, minute, second = '0'] = FORM.exec(text) ?? [];
  const monthNumber = MONTHS.indexOf(month.toLowerCase());
  if (day === undefined || monthNumber === -1) return undefined;
  if (Number(hour) > 23 || Number(minute) > 59 || Number(second) > 60) return undefined;
  return dayNumber(fullYear(year), monthNumber, Number(day));
}

/** Of a calendar date. Returns undefined for one that is none. */
export function dayNumber(year: number, month: number, day: number): number | undefined {
  const ms = Date.UTC(year, month, day);
  const date = new Date(ms);
  return date.getUTCMonth() === month && date.getUTCDate() === day ? ms / 86_400_000 : undefined;
}

/** RFC 5322 §4.3 */
function fullYear(digits: string): number {
  const year = Number(digits);
  if (digits.length === 2) return year < 50 ? 2000 + year : 1900 + year;
  return digits.length === 3 ? 1900 + year : year;
}
