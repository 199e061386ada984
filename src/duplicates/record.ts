/**
 * A record about one copy in 32 bytes, so that none lies across two blocks of a disk: a full disk takes it
 * whole or not at all. There are three kinds: `begun` comes before the file can be in new/, and then either
 * `stored` once it is durable, or `failed` once it is gone.
 */
import type { ProcessTag } from './processtag.ts';
import type { Sketch } from './sketch.ts';

export const RECORD_BYTES = 32;
export const COPY_BYTES = 11;
export const FILE_BYTES = 5;

const KINDS = ['begun', 'stored', 'failed'] as const;
export type Kind = (typeof KINDS)[number];

export interface Record {
  readonly kind: Kind;
  /** What identifies the copy: COPY_BYTES as latin1. */
  readonly copy: string;
  /** The recipients that it answers. */
  readonly paths: Sketch;
  /** Seconds since the epoch. */
  readonly time: number;
  /** The process that stores it. */
  readonly process: ProcessTag;
  /** A hash of the file's name: FILE_BYTES as latin1. */
  readonly file: string;
}

const AT = { copy: 0, paths: 11, time: 17, pid: 21, start: 24, file: 25, kind: 30, mark: 31 };
const PATHS_BYTES = AT.time - AT.paths;
const PID_BYTES = AT.start - AT.pid;
const MARK = 0xd5;

/** Writes a record into `bytes`, over all of its RECORD_BYTES. */
export function encodeRecord(bytes: Buffer, { kind, copy, paths, time, process, file }: Record): void {
  bytes.write(copy, AT.copy, COPY_BYTES, 'latin1');
  bytes.writeUIntBE(paths, AT.paths, PATHS_BYTES);
  bytes.writeUInt32BE(time, AT.time);
  bytes.writeUIntBE(process.pid, AT.pid, PID_BYTES);
  bytes[AT.start] = process.start;
  bytes.write(file, AT.file, FILE_BYTES, 'latin1');
  bytes[AT.kind] = 1 + KINDS.indexOf(kind);
  bytes[AT.mark] = MARK;
}

/** Returns the record in 32 bytes, or undefined if they hold something else, as a power cut may leave it. */
export function decodeRecord(bytes: Buffer): Record | undefined {
  const kind = KINDS[(bytes[AT.kind] ?? 0) - 1];
  if (kind === undefined || bytes[AT.mark] !== MARK) return undefined;
  return {
    kind,
    copy: bytes.toString('latin1', AT.copy, AT.copy + COPY_BYTES),
    paths: bytes.readUIntBE(AT.paths, PATHS_BYTES),
    time: bytes.readUInt32BE(AT.time),
    process: { pid: bytes.readUIntBE(AT.pid, PID_BYTES), start: bytes[AT.start] ?? 0 },
    file: bytes.toString('latin1', AT.file, AT.file + FILE_BYTES),
  };
}
