/** What `doveconf -n` prints of a configuration: what is not at its default, in the forms of 2.3 and 2.4. */
import { ask } from './program.ts';

/** `kind {`, or `kind name {`; in 2.4 lists are blocks, too: `mail_plugins {`. */
export interface Block {
  readonly kind: string;
  readonly name: string;
  readonly values: ReadonlyMap<string, string>;
  readonly blocks: readonly Block[];
}

/** Returns why it cannot be read, or undefined where there is no Dovecot or no such file. */
export async function doveconf(file: string): Promise<Block | { readonly why: string } | undefined> {
  const answer = await ask('doveconf', ['-n', '-c', file]);
  if ('output' in answer) return parseDoveconf(answer.output);
  return answer.isMissing ? undefined : { why: answer.why };
}

interface Open extends Block {
  readonly values: Map<string, string>;
  readonly blocks: Open[];
}

/** Skips what it does not understand: comments, and the ends of values that go on. */
export function parseDoveconf(text: string): Block {
  const top = begin('');
  const open = [top];
  for (const line of text.split('\n').map((each) => each.trim())) {
    const at = open.at(-1) ?? top;
    const [, head] = /^([^=#]*[^=#\s])\s*\{$/.exec(line) ?? [];
    if (head !== undefined) {
      const block = begin(head);
      at.blocks.push(block);
      open.push(block);
    } else if (line === '}') {
      if (open.length > 1) open.pop();
    } else {
      const [, name, value = ''] = /^([^\s=#{]+)\s*=\s*(.*)$/.exec(line) ?? [];
      if (name !== undefined) at.values.set(name, unquoted(value));
    }
  }
  return top;
}

function begin(head: string): Open {
  const [kind = '', ...name] = head.split(/\s+/);
  return { kind, name: name.join(' '), values: new Map(), blocks: [] };
}

function unquoted(value: string): string {
  return value.replace(/^"(.*)"$/, '$1').trim();
}

/** Returns a value of a block. 2.4 prints some in one of their own: `imapc_port` as `imapc {`, `port =`. */
export function settingIn({ values, blocks }: Block, name: string): string | undefined {
  if (values.has(name)) return values.get(name);
  const inner = blocks.find((each) => each.name === '' && name.startsWith(`${each.kind}_`));
  return inner && settingIn(inner, name.slice(inner.kind.length + 1));
}

/** Returns blocks of a kind in one, or also in those in it, such as `protocol imap`. */
export function blocksOf({ blocks }: Block, kind: string): Block[] {
  return blocks.flatMap((each) => [...(each.kind === kind ? [each] : []), ...blocksOf(each, kind)]);
}

/** Returns the words of a list: 2.3 has them in a value, 2.4 as names in a block. */
export function wordsOf(block: Block, name: string): string[] {
  const inBlocks = blocksOf(block, name).flatMap(({ values }) =>
    [...values].flatMap(([word, value]) => (value === 'yes' ? [word] : [])),
  );
  return [...inBlocks, ...valuesOf(block, name).flatMap((value) => value.split(/\s+/))].filter(Boolean);
}

function valuesOf({ values, blocks }: Block, name: string): string[] {
  return [
    ...(values.has(name) ? [values.get(name) ?? ''] : []),
    ...blocks.flatMap((each) => valuesOf(each, name)),
  ];
}
