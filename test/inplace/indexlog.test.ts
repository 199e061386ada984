// Records of Dovecot's transaction log, as bytes.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CACHE, isWholeLog, mentions, resets, SIZES } from '../../src/inplace/indexlog.ts';

function logOf(...records: readonly Buffer[]): Buffer {
  const header = Buffer.alloc(40);
  header[0] = 1;
  header.writeUInt16LE(40, 2);
  header.writeUInt32LE(7, 4);
  return Buffer.concat([header, ...records]);
}

test('a reset is one transaction: its size, an introduction by name, the new number', () => {
  const bytes = resets([{ extension: CACHE, from: 1795947361, to: 1795947362 }]);
  const boundary = '80808083' + '00000810' + '40000000';
  const intro =
    '80808089' +
    '40000010' +
    'ffffffff' +
    '61fb0b6b' +
    '00000000' +
    '04000400' +
    '01000500' +
    '6361636865000000';
  const reset = '80808084' + '80000010' + '62fb0b6b' + '00000000';
  assert.equal(bytes.toString('hex'), boundary + intro + reset);
});

test('a log is whole if it ends with a whole record', () => {
  const record = resets(SIZES.map((extension) => ({ extension, from: 0, to: 0 })));
  assert.ok(isWholeLog(logOf()));
  assert.ok(isWholeLog(logOf(record, record)));
  for (let cut = 1; cut < record.length; cut++) {
    const isBetween = [12, 12 + 40, 12 + 40 + 16, 12 + 40 + 16 + 36].includes(record.length - cut);
    assert.equal(isWholeLog(logOf(record, record.subarray(0, -cut))), isBetween, `${cut} bytes less`);
  }
  assert.ok(!isWholeLog(Buffer.concat([logOf(), Buffer.alloc(12)])));
  assert.ok(!isWholeLog(Buffer.alloc(40)), 'marked as corrupt');
});

test('an extension is found by the length of its name, so that one is not taken for another', () => {
  const [header, sizes] = SIZES;
  assert.ok(header !== undefined && sizes !== undefined);
  const onlyHeader = resets([{ extension: header, from: 0, to: 0 }]);
  assert.ok(mentions(onlyHeader, header));
  assert.ok(!mentions(onlyHeader, sizes));
});
