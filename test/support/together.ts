// Prints the files that `npm test` gives to `node --test`, which starts a process for each. A third of its
// CPU time was such starts, so the files of a room that mostly calls functions share one: a file that is
// written here imports them. What measures its own process keeps one for each file.

import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';

const ROOMS = [
  'check',
  'config',
  'core',
  'delivery',
  'disk',
  'dns',
  'duplicates',
  'edge',
  'folders',
  'inplace',
  'keys',
  'lmtp',
  'maildir',
  'mime',
  'openpgp',
  'recipients',
  'tlsreport',
  'view',
];
/** These would be called for the tests of the other files, too. */
const FOR_ALL = /^(?:beforeEach|afterEach)\(/m;

const tests = join(import.meta.dirname, '..');
// first in the order of names, in which they are run: these take longest
const made = join(tests, '_together');

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name))
    .sort();
}

function together(room: string): string {
  const files = filesOf(join(tests, room));
  for (const file of files)
    if (FOR_ALL.test(readFileSync(file, 'utf8')))
      throw new Error(`${file}: beforeEach belongs into a describe`);
  const path = join(made, `${room}.js`);
  writeFileSync(path, files.map((file) => `import '${relative(made, file)}';\n`).join(''));
  return path;
}

mkdirSync(made, { recursive: true });
const shared = ROOMS.map(together);
const alone = filesOf(tests).filter((file) => !ROOMS.includes(relative(tests, file).split('/')[0] ?? ''));
console.log([...shared, ...alone].join(' '));
