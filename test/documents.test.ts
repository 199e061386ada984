// Documents cannot lie: they name the settings, replies, metrics and commands that the code has, and no
// others.

import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHECK_EXIT, EXIT } from '../src/commands/errors.ts';
import { CLI } from './support/child.ts';
import { documents } from './support/documents.ts';
import { run } from './support/process.ts';
import { repositoryRoot } from './support/shared.ts';

const read = (file: string) => readFileSync(join(repositoryRoot(), file), 'utf8');

test('the generated parts of the documents are up to date', async () => {
  for (const [file, text] of await documents()) {
    assert.equal(read(file), text, `${file}: run "npm run documents"`);
  }
});

test('README names every command of the program, with the same options, and no other', async () => {
  const usage = (await run(process.execPath, [CLI, '--help'])).stdout.toString();
  const commands = (text: string) =>
    [...text.matchAll(/^ *(sealdir [\w-]+ .*[\])]) {2,}\S/gm)].map(([, line = '']) =>
      line.replace(/ +/g, ' '),
    );
  const [, section = ''] = /## Commands\n([\s\S]*?)\n## /.exec(read('README.md')) ?? [];
  assert.ok(commands(usage).length >= 4);
  assert.deepEqual(commands(section), commands(usage));
  const aboutKeys = (text: string) =>
    [...text.matchAll(/^ *sealdir key .*(?:\n {8,}.*)*/gm)].map(([lines]) =>
      lines.replace(/ +/g, ' ').trim(),
    );
  assert.ok(aboutKeys(usage).length >= 6);
  assert.deepEqual(aboutKeys(section), aboutKeys(usage));
});

test('README has the blocks of config/ for Exim and Postfix, as they are tested', () => {
  const readme = read('README.md');
  for (const directory of ['config/exim', 'config/postfix'])
    for (const file of readdirSync(join(repositoryRoot(), directory))) {
      assert.ok(readme.includes(`\`${directory}/${file}\``), `${file} is not named`);
      assert.ok(readme.includes(`\n\`\`\`\n${read(join(directory, file))}\`\`\`\n`), `${file} differs`);
    }
});

test('README names every exit code and no other', () => {
  const named = (sentence: RegExp) => {
    const [, codes = ''] = sentence.exec(read('README.md')) ?? [];
    return [...codes.matchAll(/\b(\d+)\s/g)].map(([, code]) => Number(code));
  };
  assert.deepEqual(
    named(/Exit codes are those of sysexits\.h: (.*?)\n\n/s),
    [0, ...Object.values(EXIT)].sort((a, b) => a - b),
  );
  assert.deepEqual(named(/`check` found has codes of its own: ([^\n]*?)\. /), Object.values(CHECK_EXIT));
});

test('every dependency has a reason in src/README.md, and every reason a dependency', () => {
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  const [, section = ''] = /## Dependencies\n([\s\S]*?)\n## /.exec(read('src/README.md')) ?? [];
  const named = [...section.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(named.sort(), Object.keys(dependencies).sort());
});
