// The systemd unit keeps the promises that SECURITY.md and the settings make about it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { table } from '../src/config/settings.ts';
import { needs } from './support/peers.ts';
import { run } from './support/process.ts';
import { repositoryRoot } from './support/shared.ts';

test('under systemd no core dump and no swap can hold a message in clear', () => {
  const unit = readFileSync(join(repositoryRoot(), 'systemd/sealdir.service'), 'utf8');
  const [, service = ''] = unit.split('[Service]');
  for (const line of ['LimitCORE=0', 'MemorySwapMax=0']) assert.ok(service.split('\n').includes(line), line);
});

test('under systemd the memory of recent deliveries is kept over a restart, where the settings look for it', () => {
  const unit = readFileSync(join(repositoryRoot(), 'systemd/sealdir.service'), 'utf8').split('\n');
  for (const line of ['RuntimeDirectory=sealdir', 'RuntimeDirectoryPreserve=yes'])
    assert.ok(unit.includes(line), line);
  assert.equal(table['store.state'].default, '/run/sealdir/state');
});

test('under systemd what is remembered about keys survives a reboot, where the settings look for it', () => {
  const unit = readFileSync(join(repositoryRoot(), 'systemd/sealdir.service'), 'utf8').split('\n');
  for (const line of ['StateDirectory=sealdir', 'StateDirectoryMode=0700'])
    assert.ok(unit.includes(line), line);
  assert.equal(table['keys.state'].default, '/var/lib/sealdir');
});

test(
  'the unit gives the program next to nothing: its exposure is 1.0 at most',
  needs('systemd-analyze'),
  async () => {
    const unit = join(repositoryRoot(), 'systemd/sealdir.service');
    // the threshold is in tenths, and is what the exit code is about
    const { code, stdout } = await run('systemd-analyze', [
      'security',
      '--offline=true',
      '--threshold=10',
      unit,
    ]);
    assert.equal(code, 0, stdout.toString().split('\n').at(-2));
  },
);
test('under systemd the writers are not limited by tasks, nor given up after some restarts, and stop in time', () => {
  const unit = readFileSync(join(repositoryRoot(), 'systemd/sealdir-owners.service'), 'utf8').split('\n');
  for (const line of [
    'TasksMax=infinity',
    'StartLimitIntervalSec=0',
    'RestartSec=1',
    'TimeoutStopSec=10',
    'LimitNOFILE=16384',
    'Before=sealdir.service',
  ])
    assert.ok(unit.includes(line), line);
});
