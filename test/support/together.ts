// Prints the files that `npm test`, or with an argument `npm run test:more`, gives to `node --test`, which
// starts a process for each. A third of its
// CPU time was such starts, so the files of a room that mostly calls functions share one: a file that is
// written here imports them. What measures its own process keeps one for each file.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { moreFiles } from './more.ts';

const ROOMS = [
  'check',
  'config',
  'core',
  'custody',
  'delivery',
  'disk',
  'dns',
  'duplicates',
  'edge',
  'folders',
  'forward',
  'gateway',
  'imap',
  'inplace',
  'keys',
  'lmtp',
  'maildir',
  'mime',
  'opening',
  'openpgp',
  'recipients',
  'tlsreport',
  'view',
];
const HAS_LONG = /support\/(?:long|fuzz|matrix|dovecot)\.js/;
/** These would be called for the tests of the other files, too. */
const FOR_ALL = /^(?:beforeEach|afterEach)\(/m;

const tests = join(import.meta.dirname, '..');
const more = new Set(moreFiles(tests));
for (const file of more) if (!existsSync(file)) throw new Error(`more.ts names ${file}, which is not there`);
// first in the order of names, in which they are run: these take longest
const made = join(tests, '_together');

function filesOf(directory: string): string[] {
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.test.js'))
    .map((name) => join(directory, name))
    .filter((file) => !more.has(file))
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

if (process.argv[2] === 'more') {
  // of real programs .ci/run has the long form
  const isElsewhere = (file: string) => file.includes('/peers/') && HAS_LONG.test(readFileSync(file, 'utf8'));
  console.log([...more].filter((file) => !isElsewhere(file)).join(' '));
  process.exit();
}
mkdirSync(made, { recursive: true });
const shared = ROOMS.map(together);
const alone = filesOf(tests).filter((file) => !ROOMS.includes(relative(tests, file).split('/')[0] ?? ''));
console.log([...shared, ...alone].join(' '));
