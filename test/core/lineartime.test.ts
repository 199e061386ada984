// What peers send as an address is read in linear time, also far beyond the limit of a line.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  asciiDomain,
  parseAddress,
  parsePathArguments,
  pathSegment,
  textOfSegment,
} from '../../src/core/address.ts';
import { shortOf } from '../support/long.ts';

const LENGTH = 256 * 1024;
// the worst takes 0.6 s on an idle machine; what is quadratic takes a minute
const MOST_MS = 6000;
const PIECES = [
  ...[
    '@',
    '@a,',
    '@a:',
    '"',
    '"\\',
    '\\',
    '<',
    '<"',
    '>',
    ' ',
    '  <',
    'a',
    'a@',
    'a.',
    '.',
    '[',
    '[1',
    '=',
    'A=',
  ],
  ...[' A=', ' A', 'xn--', 'xn--a.', '_', '-', '\u00a0', '%', '%2', '%2F', '\u00e9', '\n', '\r\n'],
];
const READERS: Record<string, (text: string) => unknown> = {
  path: (text) => parsePathArguments(` <${text}`),
  'parameters of a path': (text) => parsePathArguments(` <a> ${text}`),
  'arguments without a path': parsePathArguments,
  address: parseAddress,
  'local part': (text) => parseAddress(`"${text}`),
  route: (text) => parseAddress(`@${text}`),
  domain: asciiDomain,
  'name of a file': pathSegment,
  'text of a name': textOfSegment,
};

test('256 KiB of the pieces of an address are read in a short time', () => {
  for (const piece of shortOf(PIECES, 12))
    for (const [what, read] of Object.entries(READERS)) {
      const text = piece.repeat(Math.ceil(LENGTH / piece.length));
      const begun = process.cpuUsage();
      read(text);
      const { user, system } = process.cpuUsage(begun);
      const took = (user + system) / 1000;
      assert.ok(took < MOST_MS, `${what}, ${JSON.stringify(piece)}: ${took} ms`);
    }
});
