// The systemd units keep the promises that SECURITY.md and the settings make about them, and systemd's own
// programs take them as they are.

import assert from 'node:assert/strict';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { table } from '../src/config/settings.ts';
import { needs } from './support/peers.ts';
import { run } from './support/process.ts';
import { repositoryRoot } from './support/shared.ts';

const unitFile = (name: string) => join(repositoryRoot(), 'systemd', name);

test('under systemd no core dump and no swap can hold a message in clear', () => {
  const unit = readFileSync(unitFile('sealdir.service'), 'utf8');
  const [, service = ''] = unit.split('[Service]');
  for (const line of ['LimitCORE=0', 'MemorySwapMax=0']) assert.ok(service.split('\n').includes(line), line);
});

test('under systemd the memory of recent deliveries is kept over a restart, where the settings look for it', () => {
  const unit = readFileSync(unitFile('sealdir.service'), 'utf8').split('\n');
  for (const line of ['RuntimeDirectory=sealdir', 'RuntimeDirectoryPreserve=yes'])
    assert.ok(unit.includes(line), line);
  assert.equal(table['store.state'].default, '/run/sealdir/state');
});

test('under systemd what is remembered about keys survives a reboot, where the settings look for it', () => {
  const unit = readFileSync(unitFile('sealdir.service'), 'utf8').split('\n');
  for (const line of ['StateDirectory=sealdir', 'StateDirectoryMode=0700'])
    assert.ok(unit.includes(line), line);
  assert.equal(table['keys.state'].default, '/var/lib/sealdir');
});

test(
  'the unit gives the program next to nothing: its exposure is 1.0 at most',
  needs('systemd-analyze'),
  async () => {
    const unit = unitFile('sealdir.service');
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
test('under systemd the gateway keeps nothing in swap or a core dump, and has a user and a directory of its own', () => {
  const unit = readFileSync(unitFile('sealdir-gateway.service'), 'utf8').split('\n');
  const lines = [
    'LimitCORE=0',
    'MemorySwapMax=0',
    'StateDirectory=sealdir-gateway',
    'StateDirectoryMode=0700',
  ];
  const own = ['User=sealdir-gateway', 'ProtectProc=invisible', 'CPUWeight=50'];
  const configuration = 'LoadCredential=sealdir.toml:/etc/sealdir/sealdir.toml';
  for (const line of [...lines, ...own, configuration]) assert.ok(unit.includes(line), line);
  assert.equal(table['gateway.directory'].default, '/var/lib/sealdir-gateway');
});

test('under systemd the writers are not limited by tasks, nor given up after some restarts, and stop in time', () => {
  const unit = readFileSync(unitFile('sealdir-owners.service'), 'utf8').split('\n');
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

test('systemd finds nothing wrong with any unit', needs('systemd-analyze'), async () => {
  const units = readdirSync(unitFile('')).filter((name) => /\.(service|socket)$/.test(name));
  assert.ok(units.length >= 5);
  const { code, stderr } = await run('systemd-analyze', ['verify', '--man=no', ...units.map(unitFile)]);
  const ours = stderr.split('\n').filter((line) => line.includes('sealdir'));
  assert.deepEqual({ code, ours }, { code: 0, ours: [] });
});

test('systemd takes the drop-in that lets Sealdir tell how it is', needs('systemd-analyze'), async () => {
  const directory = mkdtempSync(join(tmpdir(), 'sealdir-units-'));
  try {
    cpSync(unitFile('sealdir.service'), join(directory, 'sealdir.service'));
    cpSync(unitFile('sealdir-supervised.conf'), join(directory, 'sealdir.service.d/supervised.conf'));
    const { code, stderr } = await run('systemd-analyze', [
      'verify',
      '--man=no',
      join(directory, 'sealdir.service'),
    ]);
    assert.deepEqual(
      { code, ours: stderr.split('\n').filter((line) => line.includes('sealdir')) },
      { code: 0, ours: [] },
    );
    const security = await run('systemd-analyze', [
      'security',
      '--offline=true',
      join(directory, 'sealdir.service'),
    ]);
    assert.match(security.stdout.toString(), /exposure level for sealdir.service: 1\.1 /);
  } finally {
    rmSync(directory, { recursive: true });
  }
});

test('both sockets start the same service, and nobody but the mail server may connect', () => {
  const socket = readFileSync(unitFile('sealdir.socket'), 'utf8').split('\n');
  const postfix = readFileSync(unitFile('sealdir-postfix.socket'), 'utf8').split('\n');
  assert.ok(socket.includes(`ListenStream=${table['lmtp.listen'].default[0]}`));
  assert.ok(socket.includes('SocketUser=sealdir') && socket.includes('SocketMode=0660'));
  assert.ok(postfix.includes('Service=sealdir.service'));
  assert.ok(postfix.includes('ListenStream=/var/spool/postfix/private/sealdir'));
  assert.ok(postfix.includes('SocketUser=postfix') && postfix.includes('SocketMode=0660'));
});

test('systemd makes the user, and the directories with their owner and modes', {
  ...needs('systemd-sysusers', 'systemd-tmpfiles', 'root'),
}, async () => {
  const root = mkdtempSync(join(tmpdir(), 'sealdir-root-'));
  try {
    mkdirSync(join(root, 'etc'));
    writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0::/root:/bin/sh\n');
    writeFileSync(join(root, 'etc/group'), 'root:x:0:\n');
    const users = await run('systemd-sysusers', [`--root=${root}`, unitFile('sealdir.sysusers')]);
    assert.equal(users.code, 0, users.stderr);
    const [line = ''] = readFileSync(join(root, 'etc/passwd'), 'utf8').match(/^sealdir:.*$/m) ?? [];
    const [, , uid, gid, , home, shell] = line.split(':');
    assert.deepEqual([home, shell], ['/nonexistent', '/usr/sbin/nologin']);
    // systemd-tmpfiles asks this system for a name, so that it is given the numbers
    const numbers = readFileSync(unitFile('sealdir.tmpfiles'), 'utf8').replaceAll(
      /sealdir sealdir -/g,
      `${uid} ${gid} -`,
    );
    writeFileSync(join(root, 'tmpfiles.conf'), numbers);
    const made = await run('systemd-tmpfiles', ['--create', `--root=${root}`, join(root, 'tmpfiles.conf')]);
    assert.equal(made.code, 0, made.stderr);
    for (const [path, mode] of [
      ['run/sealdir', 0o755],
      ['var/lib/sealdir', 0o700],
    ] as const) {
      const stats = statSync(join(root, path));
      assert.deepEqual([stats.mode & 0o7777, stats.uid, stats.gid], [mode, Number(uid), Number(gid)], path);
    }
  } finally {
    rmSync(root, { recursive: true });
  }
});
