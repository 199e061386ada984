// What systemd says in the environment: sockets that it passes, and where it wants to be told.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { activationOf } from '../../src/edge/activation.ts';

const PID = 4711;

describe('activation', () => {
  const said = (env: Record<string, string>) => activationOf({ LISTEN_PID: String(PID), ...env }, PID);

  test('without systemd there is nothing, and nothing to complain of', () => {
    const nothing = { inherited: [], supervision: undefined, complaints: [] };
    assert.deepEqual(activationOf({}, PID), nothing);
    assert.deepEqual(activationOf({ LISTEN_PID: '1', LISTEN_FDS: 'x' }, PID), nothing, 'for another process');
    assert.deepEqual(said({ LISTEN_FDS: '0' }), nothing);
  });

  for (const [fds, complaint] of [
    ['abc', 'LISTEN_FDS is "abc", which is no number of sockets: it is ignored'],
    ['', 'LISTEN_FDS is "", which is no number of sockets: it is ignored'],
    ['-1', 'LISTEN_FDS is "-1", which is no number of sockets: it is ignored'],
    ['1.5', 'LISTEN_FDS is "1.5", which is no number of sockets: it is ignored'],
    ['0x10', 'LISTEN_FDS is "0x10", which is no number of sockets: it is ignored'],
    ['1e300', 'LISTEN_FDS is "1e300", which is no number of sockets: it is ignored'],
    ['9'.repeat(300), /^LISTEN_FDS is "9{40}…, which is no number of sockets: it is ignored$/],
    ['999999999', /^LISTEN_FDS is 999999999, but descriptor \d+ is no socket: it is ignored$/],
  ] as const)
    test(`LISTEN_FDS=${fds.slice(0, 20)} is ignored, with a sentence`, () => {
      const { inherited, complaints } = said({ LISTEN_FDS: fds });
      assert.deepEqual(inherited, []);
      assert.equal(complaints.length, 1);
      if (typeof complaint === 'string') assert.equal(complaints[0], complaint);
      else assert.match(complaints[0] ?? '', complaint);
    });

  test('an empty NOTIFY_SOCKET is ignored, with a sentence', () => {
    const { supervision, complaints } = said({ LISTEN_PID: '1', NOTIFY_SOCKET: '', WATCHDOG_USEC: '1000' });
    assert.equal(supervision, undefined);
    assert.deepEqual(complaints, ['NOTIFY_SOCKET is empty: it is ignored, and systemd is told nothing']);
  });

  test('the watchdog counts for the process that it names, if it makes sense', () => {
    const notify = { NOTIFY_SOCKET: '/run/x' };
    const of = (env: Record<string, string>) => activationOf({ ...notify, ...env }, PID).supervision;
    assert.deepEqual(of({}), { watchdogMs: undefined });
    assert.deepEqual(of({ WATCHDOG_USEC: '3000' }), { watchdogMs: 3 });
    assert.deepEqual(of({ WATCHDOG_USEC: '3000', WATCHDOG_PID: String(PID) }), { watchdogMs: 3 });
    for (const env of [
      { WATCHDOG_PID: '1', WATCHDOG_USEC: '3000' },
      { WATCHDOG_USEC: 'x' },
      { WATCHDOG_USEC: '-1' },
    ])
      assert.deepEqual(of(env), { watchdogMs: undefined });
  });
});
