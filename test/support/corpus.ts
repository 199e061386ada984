// The real messages of ../shared/corpus in wire form, one at a time: the whole is 15 MB.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sharedDirectory } from './shared.ts';
import { toWireForm } from './wireform.ts';

export interface CorpusMessage {
  /** `<collection>/<file>` */
  name: string;
  /** Oddities of the message that MANIFEST.jsonl names: `8bit-header`, `eol:lf`, `dup:return-path`, ... */
  facts: readonly string[];
  /** Reads the message from disk. */
  wire(): Buffer;
}

export interface Corpus {
  messages: readonly CorpusMessage[];
  /** For the options of node:test: why there are no messages, or false. */
  skip: string | false;
}

export function openCorpus(): Corpus {
  const directory = join(sharedDirectory() ?? '', 'corpus');
  const manifest = join(directory, 'MANIFEST.jsonl');
  if (!existsSync(manifest))
    return { messages: [], skip: 'left out: needs the messages of ../shared/corpus' };
  const lines = readFileSync(manifest, 'utf8').split('\n').filter(Boolean);
  return { messages: lines.map((line) => parseEntry(directory, line)), skip: false };
}

function parseEntry(directory: string, line: string): CorpusMessage {
  const entry: unknown = JSON.parse(line);
  if (!isEntry(entry)) throw new Error(`MANIFEST.jsonl has a line of another shape: ${line}`);
  const name = `${entry.corpus}/${entry.file}`;
  return { name, facts: entry.f, wire: () => toWireForm(readFileSync(join(directory, name))) };
}

function isEntry(value: unknown): value is { corpus: string; file: string; f: string[] } {
  if (typeof value !== 'object' || value === null) return false;
  if (!('corpus' in value && 'file' in value && 'f' in value)) return false;
  return typeof value.corpus === 'string' && typeof value.file === 'string' && Array.isArray(value.f);
}
