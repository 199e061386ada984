// What SECURITY.md promises of the systemd unit.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { repositoryRoot } from './support/shared.ts';

test('under systemd no core dump and no swap can hold a message in clear', () => {
  const unit = readFileSync(join(repositoryRoot(), 'systemd/sealdir.service'), 'utf8');
  const [, service = ''] = unit.split('[Service]');
  for (const line of ['LimitCORE=0', 'MemorySwapMax=0']) assert.ok(service.split('\n').includes(line), line);
});
