// Writes the file "copyright" of the Debian package: our license, and that of everything it carries.
//
//   node copyright.js APP NODE
//
// APP has LICENSE, package-lock.json and node_modules; NODE is the package with Node.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Bundled, bundledIn, licenseTexts } from './bundled.ts';

const RULE = `${'-'.repeat(78)}\n`;

/** Licenses whose text Debian has. */
const COMMON: Readonly<Record<string, string>> = {
  'Apache-2.0': 'Apache-2.0',
  'LGPL-3.0+': 'LGPL-3, which adds to GPL-3 beside it',
  'LGPL-3.0-or-later': 'LGPL-3, which adds to GPL-3 beside it',
};

function sectionOf(app: string, { path, name, version, license }: Bundled): string {
  const texts = licenseTexts(join(app, path));
  const head = `${RULE}${name} ${version} (/usr/lib/sealdir/${path}): ${license}\n\n`;
  const common = COMMON[license];
  if (common === undefined) return `${head}${texts.join('\n\n') || noText(app, path)}\n\n`;
  const holders = texts.join('\n').match(/^ *Copyright (\(c\)|©|\d{4}).*$/gim) ?? [];
  // the license itself has one, and a form to be filled in
  const ours = holders
    .map((line) => line.trim())
    .filter((line) => !/Free Software Foundation|\[yyyy\]/.test(line));
  const whose = ours.join('\n') || noText(app, path);
  return `${head}${whose}\nThe text is /usr/share/common-licenses/${common}.\n\n`;
}

/** What there is to say of a package without a file about its license. */
function noText(app: string, path: string): string {
  const { author, homepage, repository } = JSON.parse(
    readFileSync(join(app, path, 'package.json'), 'utf8'),
  ) as {
    readonly author?: string | { readonly name: string };
    readonly homepage?: string;
    readonly repository?: string | { readonly url: string };
  };
  const name = typeof author === 'object' ? author.name : author;
  const place = homepage ?? (typeof repository === 'object' ? repository.url : repository);
  return `Copyright ${name ?? `its authors (${place})`}`;
}

export function copyright(app: string, node: string): string {
  return [
    'Sealdir\n\n',
    `${readFileSync(join(app, 'LICENSE'), 'utf8').trim()}\n\n`,
    'It is packaged with the software below, under /usr/lib/sealdir, unmodified but for tests, documents and maps.\n\n',
    ...bundledIn(app).map((each) => sectionOf(app, each)),
    `${RULE}Node.js (/usr/lib/sealdir/node)\n\n`,
    readFileSync(join(node, 'LICENSE'), 'utf8'),
  ].join('');
}

if (process.argv[1] === import.meta.filename) {
  const [, , app = '', node = ''] = process.argv;
  process.stdout.write(copyright(app, node));
}
