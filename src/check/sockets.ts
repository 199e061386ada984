/** Where LMTP listens: who can reach it, and whether the directories of its sockets are there. */
import { statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { LmtpListener } from '../config/kinds.ts';
import type { Settings } from '../config/settings.ts';
import { error, type Finding, warning } from './finding.ts';

const LOOPBACK = ['127.0.0.1', '::1', 'localhost'];

export function checkSockets(settings: Settings): Finding[] {
  return settings.lmtp.listen.flatMap(checkListener);
}

function checkListener(address: LmtpListener): Finding[] {
  if (address.type === 'tcp' && !LOOPBACK.includes(address.host)) {
    const what = `lmtp.listen: ${address.host}:${address.port} can be reached from elsewhere, and LMTP asks for no password`;
    const fix = 'use a Unix socket or 127.0.0.1, or let a firewall admit the mail server only';
    return [warning(what, fix)];
  }
  if (address.type !== 'unix') return [];
  const directory = dirname(resolve(address.path));
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return [];
  const fix = `mkdir '${directory}', or RuntimeDirectory= in the systemd unit`;
  return [error(`lmtp.listen: ${directory} is no directory`, fix)];
}
