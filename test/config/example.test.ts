import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { EXAMPLE_MACHINE, exampleToml, settingsMarkdown } from '../../src/config/example.ts';
import { parseSettings } from '../../src/config/load.ts';
import { entries, splitPath } from '../../src/config/paths.ts';
import { examples } from '../support/examples.ts';

// From dist/test/config to the root of the repository.
const exampleFile = new URL('../../../config/sealdir.toml.example', import.meta.url);

const defaults = parseSettings('', 'empty', EXAMPLE_MACHINE);

test('config/sealdir.toml.example is what the table of settings says', async () => {
  assert.equal(
    await readFile(exampleFile, 'utf8'),
    exampleToml(),
    'write exampleToml() to config/sealdir.toml.example',
  );
});

test('the example as it is sets nothing', () => {
  assert.deepEqual(parseSettings(exampleToml(), 'example', EXAMPLE_MACHINE), defaults);
});

test('the example with every setting uncommented gives the defaults', () => {
  const uncommented = exampleToml().replaceAll(/^#(?! )/gm, '');
  const names = [...uncommented.matchAll(/^([a-z_]+) = /gm)].map(([, name]) => name);
  assert.deepEqual(
    names,
    entries.map(([path]) => splitPath(path)[1]),
  );
  assert.ok(defaults.ok);
  assert.deepEqual(parseSettings(uncommented, 'example', { hostname: 'another.example' }), defaults);
});

test('the Markdown table has one row of four cells for each setting', () => {
  const [, , ...rows] = settingsMarkdown().trimEnd().split('\n');
  assert.deepEqual(
    rows.map((row) => /^\| `([a-z_.]+)` \|/.exec(row)?.[1]),
    entries.map(([path]) => path),
  );
  for (const row of rows) assert.equal(row.split(/(?<!\\)\|/).length, 6, row);
});

test('every example in README.md is a configuration', () => {
  assert.ok(examples().length >= 4);
  for (const text of examples()) {
    const loaded = parseSettings(text, 'README.md', EXAMPLE_MACHINE);
    assert.ok(loaded.ok, loaded.ok ? '' : loaded.errors.map(({ message }) => message).join('\n'));
  }
});
