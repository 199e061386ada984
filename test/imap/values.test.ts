// Values of IMAP: what was written is read as it was, however it is cut, and nothing else is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { CommandFault, readCommand } from '../../src/imap/command.ts';
import { EndedError, Input, TooLongError } from '../../src/imap/input.ts';
import { fetchedOf, itemOf, numbersOf, readResponse } from '../../src/imap/response.ts';
import { bytesOf, type Segments, SyntaxFault, type Value, ValueReader } from '../../src/imap/values.ts';
import { checkedSet, segmentsOf, setOf, setsOf } from '../../src/imap/write.ts';
import { isLong } from '../support/long.ts';

const numRuns = isLong ? 2000 : 100;

const atom = fc.stringMatching(/^[A-Za-z0-9\\$.*%-]{1,12}$/).map((text): Value => ({ kind: 'atom', text }));
const text = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes): Value => ({ kind: 'string', bytes: Buffer.from(bytes) }));
const section = fc
  .record({
    name: fc.constantFrom('BODY', 'BODY.PEEK'),
    names: fc.option(fc.array(text, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    partial: fc.option(fc.constantFrom('0', '0.17'), { nil: undefined }),
  })
  .map(({ name, names, partial }): Value & { kind: 'section' } => {
    const list: Value[] =
      names === undefined
        ? []
        : [
            { kind: 'atom', text: 'HEADER.FIELDS' },
            { kind: 'list', items: names },
          ];
    return { kind: 'section', name, inside: list, partial };
  });
const { values } = fc.letrec<{ values: Value[]; value: Value }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4, withCrossShrink: true },
    atom,
    text,
    tie('values').map((items): Value => ({ kind: 'list', items })),
  ),
  values: fc.array(tie('value'), { maxLength: 4 }),
}));

async function* chunked(bytes: Buffer, sizes: readonly number[]): AsyncGenerator<Buffer> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1;
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

/** Segments as they are sent. `plus`: nobody waits to be asked for literals. */
function wireOf(segments: Segments, plus: '+' | '' = ''): Buffer {
  const pieces = segments.flatMap((each, n) => {
    const next = segments[n + 1];
    if (n % 2 === 1) return [each];
    return [each, Buffer.from(next === undefined ? '\r\n' : `{${next.length}${plus}}\r\n`)];
  });
  return Buffer.concat(pieces);
}

const sizes = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 5 });

test('a command is read as it was written, cut anywhere, with literals that are asked for and others', async () => {
  await fc.assert(
    fc.asyncProperty(
      values,
      fc.array(fc.oneof(section, atom), { maxLength: 3 }),
      sizes,
      fc.constantFrom('+' as const, '' as const),
      async (others, items, cuts, plus) => {
        const written: Value[] = [...others, ...items.slice(1), { kind: 'list', items }];
        const segments = segmentsOf([
          { kind: 'atom', text: 'a1' },
          { kind: 'atom', text: 'uid' },
          { kind: 'atom', text: 'store' },
          ...written,
        ]);
        let asked = 0;
        const input = new Input(
          chunked(Buffer.concat([wireOf(segments, plus), Buffer.from('next\r\n')]), cuts),
        );
        const command = await readCommand(input, async () => void asked++);
        assert.deepEqual([command.tag, command.name], ['a1', 'UID STORE']);
        const reader = new ValueReader(command.segments, command.argumentsAt, 'sections');
        assert.deepEqual(reader.rest(), written);
        const hasSections = items.some(({ kind }) => kind === 'section');
        if (!hasSections) assert.deepEqual(command.values(), written);
        assert.equal(asked, plus === '' ? (segments.length - 1) / 2 : 0);
        assert.equal((await input.line(100)).toString(), 'next');
        await assert.rejects(input.line(100), EndedError);
      },
    ),
    { numRuns },
  );
});

test('a response is read as it was written, and passed on byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(values, sizes, section, async (written, cuts, last) => {
      const items: Value[] = written.flatMap((value, n) => [{ kind: 'atom', text: `ITEM${n}` }, value]);
      items.push(last, { kind: 'atom', text: 'NIL' });
      const wire = Buffer.concat([Buffer.from('* 7 FETCH '), wireOf(segmentsOf([{ kind: 'list', items }]))]);
      const twice = new Input(chunked(Buffer.concat([wire, wire, Buffer.from('* 9 EXISTS\r\n')]), cuts));
      const first = await readResponse(twice);
      const fetched = fetchedOf(await first.segments(10_000), first.number ?? 0);
      assert.ok(fetched);
      const read = fetched.items.flatMap(({ name, value }) => [name, value]);
      assert.deepEqual(read, items);
      if (written.length > 0) assert.deepEqual(itemOf(fetched, 'ITEM0'), written[0]);
      const raw: Buffer[] = [];
      for await (const piece of (await readResponse(twice)).raw()) raw.push(piece);
      assert.deepEqual(Buffer.concat(raw), wire);
      const next = await readResponse(twice);
      assert.deepEqual([next.number, next.word], [9, 'EXISTS']);
    }),
    { numRuns },
  );
});

test('a literal that is taken counts for nothing, and others up to a bound', async () => {
  const wire = '* 1 FETCH (BODY[] {9}\r\n123456789 X {3}\r\nabc)\r\n* 2 EXISTS\r\n';
  const response = async () => {
    const input = new Input(chunked(Buffer.from(wire), [4]));
    return { input, first: await readResponse(input) };
  };
  await assert.rejects(async () => (await response()).first.segments(8), TooLongError);
  const { input, first } = await response();
  const taken: Buffer[] = [];
  const segments = await first.segments(8, (text, bytes, pieces) => {
    if (bytes < 9) return undefined;
    assert.match(text.toString(), /BODY\[\] $/);
    return (async () => {
      for await (const piece of pieces()) taken.push(piece);
    })();
  });
  assert.equal(Buffer.concat(taken).toString(), '123456789');
  assert.deepEqual(segments.map(String), ['* 1 FETCH (BODY[] ', '', ' X ', 'abc', ')']);
  assert.equal((await readResponse(input)).word, 'EXISTS');
});

test('random bytes are a command, or a fault that is known', async () => {
  const odd = fc.stringMatching(
    /^(a |FETCH |\(|\)|"|\{3\}\r\n|\{3\+\}\r\n|\[|\]|<|>|BODY|\\|\r\n|[ -~]|ÿ){0,40}$/,
  );
  await fc.assert(
    fc.asyncProperty(odd, async (bytes) => {
      const input = new Input(chunked(Buffer.from(`a x ${bytes}`, 'latin1'), [1000]));
      try {
        (await readCommand(input, async () => undefined, { lineBytes: 60, literalBytes: 5 })).values();
      } catch (error) {
        const isKnown = [CommandFault, SyntaxFault, EndedError, TooLongError].some(
          (kind) => error instanceof kind,
        );
        assert.ok(isKnown, String(error));
      }
    }),
    { numRuns: numRuns * 5 },
  );
});

test('lists that stand too deep in lists, and quotes without an end, are refused', () => {
  for (const text of ['('.repeat(100_000), '(a', '"a', 'a)', 'BODY[BODY[]]', 'BODY[]<1'])
    assert.throws(
      () => new ValueReader([Buffer.from(text)], 0, 'sections').rest(),
      SyntaxFault,
      text.slice(0, 20),
    );
});

test('what looks like a section is a word where no section can be', async () => {
  for (const word of ['BODY[x', 'BODY[', 'BINARY[1]', 'body[]<0>']) {
    const atom: Value = { kind: 'atom', text: word };
    const [flags] = new ValueReader([Buffer.from(`((${word}))`)], 0, 'sections').rest();
    assert.deepEqual(flags, { kind: 'list', items: [{ kind: 'list', items: [atom] }] });
    const command = `a append x (${word}) {5+}\r\n`;
    const read = await readCommand(new Input(chunked(Buffer.from(command), [9])), async () => undefined);
    assert.deepEqual(read.values().at(-1), { kind: 'list', items: [atom] });
    assert.equal(read.message?.bytes, 5);
  }
});

test('a mailbox may begin with a bracket, and a quoted string has its backslashes taken away', () => {
  const [name, quoted] = new ValueReader([Buffer.from('[Gmail]/Sent "a\\"b\\\\"')]).rest();
  assert.equal(bytesOf(name).toString(), '[Gmail]/Sent');
  assert.equal(bytesOf(quoted).toString(), 'a"b\\');
});

test('what is no command is refused by its tag, if it has one', async () => {
  const refused = { DONE: 'DONE', 'a1 ': 'a1', 'a 1': 'a', '': '*', ' noop': '*', 'a{ noop': '*' };
  for (const [line, tag] of Object.entries(refused)) {
    const input = new Input(chunked(Buffer.from(`${line}\r\n`), [7]));
    await assert.rejects(
      readCommand(input, async () => undefined),
      (error) => {
        assert.ok(error instanceof CommandFault);
        assert.equal(error.tag, tag, line);
        return true;
      },
    );
  }
});

test('what is too long is told from what is not: lines, literals that are asked for, and those that come', async () => {
  const limits = { lineBytes: 20, literalBytes: 10 };
  const read = (text: string) =>
    readCommand(new Input(chunked(Buffer.from(text), [7])), async () => undefined, limits);
  await assert.rejects(read(`a noop ${'x'.repeat(30)}\r\n`), TooLongError);
  await assert.rejects(read('a login {11}\r\n'), CommandFault);
  // nothing of it is read, nor is there memory for it
  for (const what of ['hello world\r\n', '\r\n', '\n', ''])
    for (const bytes of [11, 4_000_000_000])
      await assert.rejects(read(`a login {${bytes}+}\r\n${what}`), TooLongError);
  // empty literals are lines without an end
  await assert.rejects(read(`a login ${'{0+}\r\n'.repeat(10)}\r\n`), TooLongError);
  assert.equal((await read('a login {5+}\r\nhello {5}\r\nworld\r\n')).segments.length, 5);
});

test('the message of APPEND is left where it is, and a mailbox before it is not', async () => {
  const input = new Input(chunked(Buffer.from('a append {4}\r\nSent (\\Seen) {5+}\r\nhello\r\n'), [3]));
  const command = await readCommand(input, async () => undefined);
  assert.equal(command.message?.bytes, 5);
  assert.equal(command.message?.isAwaited, false);
  assert.equal(bytesOf(command.values()[0]).toString(), 'Sent');
  assert.equal((await input.bytes(5)).toString(), 'hello');
});

test('sets have all numbers once, in lines that are short enough', () => {
  const numbers = fc.array(fc.integer({ min: 1, max: 10_000 }), { maxLength: 3000 });
  fc.assert(
    fc.property(numbers, (given) => {
      const sets = setsOf(given);
      assert.ok(sets.every((set) => set.length <= 7100 && checkedSet(set) === set));
      const back = sets
        .flatMap((set) => set.split(','))
        .flatMap((range) => {
          const [from = 0, to = from] = range.split(':').map(Number);
          return Array.from({ length: to - from + 1 }, (_, n) => from + n);
        });
      assert.deepEqual(
        back,
        [...new Set(given)].sort((a, b) => a - b),
      );
    }),
    { numRuns: 30 },
  );
  assert.equal(setOf([3, 1, 2, 9]), '1:3,9');
  for (const text of ['', '1:', ',1', '1:2:3', 'a', '1;2'])
    assert.throws(() => checkedSet(text), SyntaxFault);
});

test('the numbers of SEARCH are read up to what is none', () => {
  assert.deepEqual(numbersOf(Buffer.from('* SEARCH')), []);
  assert.deepEqual(numbersOf(Buffer.from('* SEARCH 2 84 (MODSEQ 917162500)')), [2, 84]);
  assert.equal(numbersOf(Buffer.from(`* SEARCH${' 1234567'.repeat(200_000)}`)).length, 200_000);
});
