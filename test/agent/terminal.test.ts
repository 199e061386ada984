// `sealdir open --agent` at a real terminal (tmux), where the pinentry of gpg-agent asks: it does not stay
// there when the command has ended, since it would take what is typed next.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type AgentHome, CURVE25519, openAgentHome, PASSPHRASE } from '../support/agenthome.ts';
import { CLI } from '../support/child.ts';
import { needs, programPath } from '../support/peers.ts';
import { openTerminal, type Terminal } from '../support/terminal.ts';

describe('open --agent at a terminal', {
  ...needs('gpg', 'tmux', 'pinentry-curses'),
  timeout: 900_000,
}, () => {
  let directory = '';
  let home: AgentHome;
  let terminal: Terminal;
  const open = `'${process.execPath}' '${CLI}' open --agent < sealed.asc; echo code $?`;
  const enter = async (text: string) => {
    await terminal.type(text);
    await terminal.press('Enter');
  };

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'sealdir-'));
    home = await openAgentHome(programPath('pinentry-curses'));
    await home.makeKey('alice@example.com', CURVE25519, PASSPHRASE);
    const sealed = await home.gpg(
      ['--armor', '--encrypt', '-r', 'alice@example.com'],
      'Subject: x\n\nhello\n',
    );
    await writeFile(join(directory, 'sealed.asc'), sealed);
    await home.forget();
    terminal = await openTerminal({ cwd: directory });
    await enter(`unset DISPLAY WAYLAND_DISPLAY GPG_TTY; export GNUPGHOME='${home.path}'; clear`);
    await terminal.shows(/^ready>\s*$/);
  });
  after(async () => {
    await terminal?.close();
    await home?.close();
    await rm(directory, { recursive: true, force: true });
  });

  test('Ctrl-C waits for the pinentry, which can be cancelled then', async () => {
    await enter(open);
    await terminal.shows(/Passphrase: _+/);
    await terminal.press('C-c');
    await terminal.type('abc');
    await terminal.shows(/Passphrase: \*{3}_+/);
    await terminal.press('Tab', 'Tab', 'Enter');
    await terminal.shows(/^sealdir: interrupted\ncode 130\nready>$/m);
  });

  test('the passphrase is asked for there, and the message comes out', async () => {
    await enter('clear');
    await terminal.shows(/^ready>\s*$/);
    await enter(open);
    await terminal.shows(/Passphrase: _+/);
    await enter(PASSPHRASE);
    const screen = await terminal.shows(/^hello\ncode 0\nready>$/m);
    assert.ok(!screen.includes(PASSPHRASE));
  });
});
