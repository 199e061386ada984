// The kinds of value a setting may have: what the operator writes, and what the program gets.
// Each kind checks and converts in one step, so that no other code sees "50MiB" or "[::1]:24".
// Every message ends a sentence that begins with the value: `"5x" is not a duration (...)`.
// Knows no setting by name and no file; with listenerkinds.ts and saidkind.ts the only importer of zod.

// zod 4.6.7 has its interface of version 3 in this entry. The entry for version 4 also loads fifty
// translations of messages that no setting uses: a third of the CPU time of `sealdir seal`.
import { z } from 'zod/v3';
import { isHostName, isPath } from './listener.ts';

/** `name` and `unit` tell people what to write and, for a quantity, in which units. */
export type Kind<T> = { readonly name: string; readonly unit?: string; readonly schema: Schema<T> };

export type Schema<T> = z.ZodType<T, z.ZodTypeDef, unknown>;

/** What is wrong with a value, and where: `at` is the index of an element, or empty for the whole value. */
export type Problem = { readonly at: readonly PropertyKey[]; readonly message: string };
export type Read<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly problems: readonly Problem[] };

export function readValue<T>(kind: Kind<T>, written: unknown): Read<T> {
  const result = kind.schema.safeParse(written);
  if (result.success) return { ok: true, value: result.data };
  return {
    ok: false,
    problems: result.error.issues.map((issue) => ({ at: issue.path, message: issue.message })),
  };
}

/** Why a value is none: the end of a sentence that begins with the value. */
export class Wrong {
  readonly message: string;
  constructor(message: string) {
    this.message = message;
  }
}

/** Reads a value as `input` and makes another of it. */
export function converted<I, T>(input: Schema<I>, convert: (written: I) => T | Wrong): Schema<T> {
  return input.transform((written, context) => {
    const value = convert(written);
    if (!(value instanceof Wrong)) return value;
    // fatal: the checks after this one would see no value
    context.addIssue({ code: 'custom', message: value.message, fatal: true });
    return z.NEVER;
  });
}

const SIZE_UNITS = new Map([
  ['', 1],
  ['KB', 1e3],
  ['MB', 1e6],
  ['GB', 1e9],
  ['KiB', 2 ** 10],
  ['MiB', 2 ** 20],
  ['GiB', 2 ** 30],
]);
const DURATION_UNITS = new Map([
  ['ms', 1],
  ['s', 1e3],
  ['m', 60e3],
  ['h', 3600e3],
]);

function quantity(written: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits, unit = ''] = /^([0-9]+)([A-Za-z]*)$/.exec(written) ?? [];
  const factor = units.get(unit);
  if (digits === undefined || factor === undefined) return undefined;
  const amount = Number(digits) * factor;
  return Number.isSafeInteger(amount) ? amount : undefined;
}

const NOT_A_SIZE = 'is not a size (write it like "50MiB", "10MB" or 5000 for bytes)';
const SIZE_UNIT = 'bytes, KB, MB, GB, KiB, MiB, GiB';
const sizeWritten = z.union([z.string(), z.number()], { errorMap: () => ({ message: NOT_A_SIZE }) });

function sizeOf(written: string | number): number | Wrong {
  const bytes = quantity(String(written), SIZE_UNITS);
  if (bytes === undefined) return new Wrong(NOT_A_SIZE);
  return bytes < 1024 ? new Wrong('is less than 1KiB, the smallest size allowed') : bytes;
}

/** Becomes a number of bytes. */
export const size: Kind<number> = {
  name: 'size from 1KiB',
  unit: SIZE_UNIT,
  schema: converted(sizeWritten, sizeOf),
};

/** Becomes a number of bytes; 0 means off. */
export const sizeOrOff: Kind<number> = {
  name: 'size from 1KiB, or 0 for off',
  unit: SIZE_UNIT,
  schema: converted(sizeWritten, (written) =>
    quantity(String(written), SIZE_UNITS) === 0 ? 0 : sizeOf(written),
  ),
};

// A number without a unit is refused: nobody remembers whether it would mean seconds or milliseconds.
const NOT_A_DURATION = 'is not a duration (write it like "30s", "5m", "1h" or "1500ms")';
function durationOf(written: string): number | Wrong {
  const ms = quantity(written, DURATION_UNITS);
  if (ms === undefined) return new Wrong(NOT_A_DURATION);
  if (ms < 1000) return new Wrong('is shorter than 1s, the shortest time allowed');
  // Node's timers hold 24.8 days at most; a longer one fires at once.
  return ms > 24 * 3600e3 ? new Wrong('is longer than 24h, the longest time allowed') : ms;
}

/** Becomes a number of milliseconds. */
export const duration: Kind<number> = {
  name: 'duration from 1s to 24h',
  unit: 'ms, s, m, h',
  schema: converted(z.string({ message: NOT_A_DURATION }), durationOf),
};

/** Becomes a number of milliseconds; 0 means off. */
export const durationOrOff: Kind<number> = {
  name: `${duration.name}, or "off"`,
  unit: 'ms, s, m, h',
  schema: converted(z.string({ message: NOT_A_DURATION }), (written) =>
    written === 'off' ? 0 : durationOf(written),
  ),
};

export function count(limits: { min: number; max: number }): Kind<number> {
  const name = `whole number from ${limits.min} to ${limits.max}`;
  const schema = z
    .number({ message: `is not a ${name}` })
    .refine((n) => Number.isInteger(n) && n >= limits.min && n <= limits.max, `is not a ${name}`);
  return { name, schema };
}

export function oneOf<const W extends string>(...words: readonly [W, ...W[]]): Kind<W> {
  const list = words.map((word) => `"${word}"`).join(', ');
  const name = words.length === 1 ? list : `one of ${list}`;
  return { name, schema: z.enum(words as [W, ...W[]], { message: `is not allowed, it must be ${name}` }) };
}

const NOT_A_MODE = 'is not a file mode (write it in octal and in quotes, like "0660")';
export const fileMode: Kind<number> = {
  name: 'file mode in octal',
  schema: converted(z.string({ message: NOT_A_MODE }), (written) =>
    /^0?[0-7]{3}$/.test(written) ? Number.parseInt(written, 8) : new Wrong(NOT_A_MODE),
  ),
};

const NOT_A_HOST_NAME =
  'is not a host name (letters, digits, "-" and "_" between dots; at most 255 characters)';
export const hostName: Kind<string> = {
  name: 'host name',
  schema: z.string({ message: NOT_A_HOST_NAME }).refine(isHostName, NOT_A_HOST_NAME),
};

const NOT_A_PATH = 'is not a path';
export const path: Kind<string> = {
  name: 'path',
  schema: z.string({ message: NOT_A_PATH }).refine(isPath, NOT_A_PATH),
};

/** A directory or file that need not be named. */
export const pathOrNone: Kind<string> = {
  name: 'path, or "" for none',
  schema: z
    .string({ message: NOT_A_PATH })
    .refine((written) => written === '' || isPath(written), NOT_A_PATH),
};

const NOT_FILES = 'is not a list of paths (write it like ["/etc/sealdir/escrow.asc"])';
export const files: Kind<readonly string[]> = {
  name: 'list of paths',
  schema: z.array(z.string({ message: NOT_FILES }).refine(isPath, NOT_FILES), { message: NOT_FILES }),
};

const NOT_PATHS = 'is not a list of absolute paths (write it like ["/var/vmail"])';
export const directories: Kind<readonly string[]> = {
  name: 'list of absolute paths',
  schema: z.array(
    z.string({ message: NOT_PATHS }).refine((path) => isPath(path) && path.startsWith('/'), NOT_PATHS),
    { message: NOT_PATHS },
  ),
};

const NOT_TEXT = 'is not text in quotes';
export const text: Kind<string> = { name: 'text', schema: z.string({ message: NOT_TEXT }) };

export const words: Kind<readonly string[]> = {
  name: 'list of texts',
  schema: z.array(z.string({ message: NOT_TEXT }), { message: 'is not a list of texts' }),
};

const NOT_DOMAINS = 'is not a list of domains (write it like ["example.com"])';
export const domains: Kind<readonly string[]> = {
  name: 'list of domains',
  schema: z.array(z.string({ message: NOT_DOMAINS }).refine(isHostName, NOT_DOMAINS), {
    message: NOT_DOMAINS,
  }),
};

const NOT_HOST_NAMES = 'is not a list of host names (write it like ["mx1.example.com"])';
export const hostNames: Kind<readonly string[]> = {
  name: 'list of host names',
  schema: z.array(z.string({ message: NOT_HOST_NAMES }).refine(isHostName, NOT_HOST_NAMES), {
    message: NOT_HOST_NAMES,
  }),
};

const NOT_A_SWITCH = 'is not true or false (write it without quotes)';
export const onOff: Kind<boolean> = {
  name: 'true or false',
  schema: z.boolean({ message: NOT_A_SWITCH }),
};

// The punctuation of an unquoted local part: atext (RFC 5322 §3.2.3) and the dot.
const NOT_DELIMITERS = 'is not a set of delimiters (some of !#$%&\'*+-/=?^_`{|}~. or "" for off)';
export const delimiters: Kind<string> = {
  name: 'punctuation characters, or "" for off',
  schema: z.string({ message: NOT_DELIMITERS }).regex(/^[!#$%&'*+\-/=?^_`{|}~.]*$/, NOT_DELIMITERS),
};

const NOT_A_SENDER = 'is not a mail address (write it like "postmaster@example.com")';
/** An address without quotes and blanks; {hostname} may stand for its domain. */
export const sender: Kind<string> = {
  name: 'mail address',
  schema: z
    .string({ message: NOT_A_SENDER })
    .regex(/^[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@(?:\{hostname\}|[A-Za-z0-9._-]{1,255})$/, NOT_A_SENDER),
};
