// The table that the manual page and the completions are made from says what the program takes, and bash
// completes by it.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { EXIT } from '../src/commands/errors.ts';
import { OPTIONS, type Synopsis, synopses } from '../src/commands/synopsis.ts';
import { CLI } from './support/child.ts';
import { shortOf } from './support/long.ts';
import { needs } from './support/peers.ts';
import { run } from './support/process.ts';
import { repositoryRoot } from './support/shared.ts';

const typed = (option: string) => (OPTIONS[option]?.value === undefined ? [option] : [option, 'x']);

/** What the program says of a command line that it refuses. */
async function refusal({ name }: Synopsis, options: readonly string[]): Promise<string> {
  const args = [CLI, ...name.split(' '), ...options.flatMap(typed)];
  // what these say may be read by strangers, unless they are asked for all of it
  const isForMta = name === 'deliver' || name === 'seal';
  if (isForMta && !options.includes('--verbose')) args.push('--verbose');
  const { code, stderr } = await run(process.execPath, args);
  assert.equal(code, isForMta ? EXIT.tempFail : EXIT.usage, args.join(' '));
  return stderr;
}

describe('every command', { concurrency: 2 }, () => {
  assert.ok(synopses().length >= 13);
  for (const command of shortOf(synopses(), 6)) {
    const all = Object.keys(OPTIONS);
    const others = all.filter((option) => !command.options.includes(option));
    const refuses = (option: string) => new RegExp(`takes no ${OPTIONS[option]?.long}\\b|Unknown option`);

    test(`${command.name} takes the options that its usage names`, async () => {
      for (const option of command.options)
        assert.ok(Object.hasOwn(OPTIONS, option), `${option} is explained`);
      // the first one that is not taken is named
      const stray = others.find((option) => OPTIONS[option]?.value !== undefined) ?? '';
      const said = await refusal(command, [...command.options, stray]);
      assert.match(said, refuses(stray));
      const named = command.options.filter((option) => said.includes(`takes no ${OPTIONS[option]?.long}`));
      assert.deepEqual(named, []);
      assert.doesNotMatch(said, new RegExp(`Unknown option '(${command.options.join('|')})'`));
    });

    test(`${command.name} takes no other options`, async () => {
      for (const option of shortOf(others, 1))
        assert.match(await refusal(command, [option]), refuses(option));
    });
  }
});

/** Completes a line in a bash of its own, where the cursor is at the end. */
async function completed(words: readonly string[], cwd = repositoryRoot()): Promise<string[]> {
  const script = `
    source "$1"; shift
    COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
    compopt() { :; } # there is no completion under way
    _sealdir
    printf '%s\\n' "\${COMPREPLY[@]}"`;
  const file = join(repositoryRoot(), 'config/completion/sealdir.bash');
  const { code, stdout, stderr } = await run('bash', ['-c', script, 'bash', file, ...words], { cwd });
  assert.equal(stderr, '');
  assert.equal(code, 0);
  return stdout.toString().split('\n').filter(Boolean);
}

describe('bash', needs('bash'), () => {
  test('completes commands, and those of "key" and "slots"', async () => {
    const first = synopses().flatMap(({ name }) => (name.includes(' ') ? [] : [name]));
    assert.deepEqual(
      (await completed(['sealdir', ''])).sort(),
      [...first, 'key', 'slots', '--help', '--version'].sort(),
    );
    assert.deepEqual(await completed(['sealdir', 'se']), ['serve', 'seal']);
    assert.deepEqual(await completed(['sealdir', 'key', 'ex']), ['export']);
  });

  test('completes the options of each command', async () => {
    for (const { name, options } of shortOf(synopses(), 5)) {
      const offered = await completed(['sealdir', ...name.split(' '), '-']);
      const spelt = options.flatMap((option) => [...new Set([option, OPTIONS[option]?.long ?? ''])]);
      assert.deepEqual(offered.sort(), spelt.sort(), name);
    }
  });

  test('completes files where there is to be a file, and directories only after --wkd', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'sealdir-completion-'));
    try {
      await writeFile(join(directory, 'a key.asc'), '');
      await run('mkdir', [join(directory, 'a directory')]);
      const both = ['a directory', 'a key.asc'];
      assert.deepEqual((await completed(['sealdir', 'serve', '-c', 'a'], directory)).sort(), both);
      assert.deepEqual((await completed(['sealdir', 'open', 'a'], directory)).sort(), both);
      assert.deepEqual(await completed(['sealdir', 'key', 'export', '--wkd', 'a'], directory), [
        'a directory',
      ]);
      assert.deepEqual(await completed(['sealdir', 'serve', 'a'], directory), []);
    } finally {
      await rm(directory, { recursive: true });
    }
  });
});

test('zsh and fish can read their completions', needs('zsh', 'fish'), async () => {
  const file = (name: string) => join(repositoryRoot(), 'config/completion', name);
  for (const [shell, name] of [
    ['zsh', '_sealdir'],
    ['fish', 'sealdir.fish'],
  ] as const) {
    const { code, stderr } = await run(shell, ['-n', file(name)]);
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' }, shell);
  }
});

test('fish completes commands, options and key commands', needs('fish'), async () => {
  const file = join(repositoryRoot(), 'config/completion/sealdir.fish');
  const offered = async (line: string) => {
    const script = `source '${file}'; complete -C '${line}'`;
    const { stdout } = await run('fish', ['--no-config', '-c', script]);
    return stdout
      .toString()
      .split('\n')
      .flatMap((each) => (each === '' ? [] : [each.split('\t')[0]]));
  };
  assert.deepEqual((await offered('sealdir se')).sort(), ['seal', 'serve']);
  assert.deepEqual(await offered('sealdir key ex'), ['export']);
  assert.deepEqual(await offered('sealdir key list --j'), ['--json']);
});

describe('the manual pages', () => {
  const pages = ['sealdir.1', 'sealdir.toml.5'].map((name) => join(repositoryRoot(), 'config/man', name));

  test('are formatted without a warning', needs('man', 'groff'), async () => {
    for (const page of pages) {
      assert.equal((await run('man', ['--warnings', '-l', page])).stderr, '');
      const { stdout, stderr } = await run('groff', ['-ww', '-man', '-Tutf8', page]);
      assert.equal(stderr, '');
      assert.ok(stdout.length > 4000);
    }
  });

  test('are sound to mandoc too, but for the date that they do without', needs('mandoc'), async () => {
    for (const page of pages) {
      const { stdout } = await run('mandoc', ['-T', 'lint', '-W', 'warning', page]);
      const lines = stdout.toString().split('\n').filter(Boolean);
      assert.deepEqual(
        lines.filter((line) => !line.includes('missing date')),
        [],
      );
    }
  });
});
