/**
 * The file in which counts outlive a server. It is never read in part, since it is written under another name
 * first. What is no such file is no report: nothing of it is believed.
 */
import { constants } from 'node:fs';
import { type FileHandle, open, rename, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Row } from './counts.ts';

export interface Report {
  /** When the counting began. Milliseconds since the epoch. */
  readonly since: number;
  readonly rows: readonly Row[];
}

const NAME = 'tls-report';
const FORMAT = 1;
const MOST_BYTES = 16 * 1024 * 1024;
const { O_RDONLY, O_WRONLY, O_CREAT, O_EXCL, O_NOFOLLOW, O_NONBLOCK } = constants;
/** A link, a directory, or a named pipe without a reader. */
const NO_FILE: readonly unknown[] = ['ELOOP', 'EISDIR', 'ENXIO'];

/** The file is there, and is none of ours. */
export class BadReport extends Error {}

/** Resolves to undefined if there is none. Rejects with BadReport for one that cannot be read. */
export async function readReport(directory: string): Promise<Report | undefined> {
  const path = join(directory, NAME);
  const file = await openIfThere(path);
  if (file === undefined) return undefined;
  try {
    const stats = await file.stat();
    if (!stats.isFile() || stats.size > MOST_BYTES) throw new BadReport(`${path} is no report`);
    return parsed(await file.readFile('utf8'), path);
  } finally {
    await file.close();
  }
}

export async function writeReport(directory: string, { since, rows }: Report): Promise<void> {
  const draft = join(directory, `${NAME}.draft`);
  await unlink(draft).catch(ifMissing); // of a server that has died
  const file = await open(draft, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0o600);
  try {
    const dated = rows.map((row) => ({ ...row, last: new Date(row.last).toISOString() }));
    const lines = dated.map((row) => JSON.stringify(row)).join(',\n');
    const head = `{"format":${FORMAT},"since":"${new Date(since).toISOString()}","rows":[`;
    await file.writeFile(`${head}\n${lines}\n]}\n`);
  } finally {
    await file.close();
  }
  await rename(draft, join(directory, NAME));
}

/** Puts a file that cannot be read out of the way. */
export async function setAside(directory: string): Promise<void> {
  await rename(join(directory, NAME), join(directory, `${NAME}.damaged`));
}

async function openIfThere(path: string): Promise<FileHandle | undefined> {
  try {
    return await open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return undefined;
    throw NO_FILE.includes(code) ? new BadReport(`${path} is no regular file`) : error;
  }
}

function ifMissing(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

function parsed(text: string, path: string): Report {
  const read = reportIn(text);
  if (read === undefined) throw new BadReport(`${path} is damaged`);
  return read;
}

function reportIn(text: string): Report | undefined {
  try {
    const { format, since, rows } = JSON.parse(text) as Readonly<Record<string, unknown>>;
    const at = timeOf(since);
    if (format !== FORMAT || at === undefined || !Array.isArray(rows)) return undefined;
    const read = rows.flatMap((each: unknown) => rowOf(each) ?? []);
    return read.length === rows.length ? { since: at, rows: read } : undefined;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof TypeError) return undefined;
    throw error;
  }
}

function rowOf(written: unknown): Row | undefined {
  if (typeof written !== 'object' || written === null) return undefined;
  const { domain, version, cipher, count, last } = written as Readonly<Record<string, unknown>>;
  const at = timeOf(last);
  if (typeof domain !== 'string' || typeof version !== 'string' || typeof cipher !== 'string')
    return undefined;
  if (at === undefined || !Number.isSafeInteger(count) || Number(count) < 1) return undefined;
  return { domain, version, cipher, count: Number(count), last: at };
}

function timeOf(written: unknown): number | undefined {
  const at = typeof written === 'string' ? Date.parse(written) : Number.NaN;
  return Number.isNaN(at) ? undefined : at;
}
