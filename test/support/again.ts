// Passes on the names of files that it is given, one a line: all of them, or with SEALDIR_AGAIN=1 those in
// which a test failed the last time.

import { readFileSync, rmSync } from 'node:fs';
import { FAILED } from './failed.ts';

const given = readFileSync(0, 'utf8').trim().split(/\s+/);
const failed = new Set(process.env.SEALDIR_AGAIN === '1' ? read().split('\n') : []);
const again = given.filter((file) => failed.has(file));
rmSync(FAILED, { force: true });
console.log((again.length > 0 ? again : given).join(' '));

function read(): string {
  try {
    return readFileSync(FAILED, 'utf8');
  } catch {
    return '';
  }
}
