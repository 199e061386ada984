// Does what systemd does for a socket unit: listens, and starts the program with the socket as descriptor 3.

import { type Running, start } from './process.ts';

/**
 * Starts Node with `args` and with an inherited socket (sd_listen_fds(3)): a Unix socket at `path`, or a port
 * of 127.0.0.1. Needs python3.
 */
export function startActivated(path: string | number, args: readonly string[]): Promise<Running> {
  const [family, address] =
    typeof path === 'number' ? ['AF_INET', `('127.0.0.1', ${path})`] : ['AF_UNIX', JSON.stringify(path)];
  const activate = `
import os, socket, sys
s = socket.socket(socket.${family}); s.bind(${address}); s.listen(10)
os.dup2(s.fileno(), 3); os.set_inheritable(3, True)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS='1')
os.execv(sys.argv[1], sys.argv[1:])`;
  const ready = (output: string) => output.includes('"msg":"listening"');
  return start('python3', ['-c', activate, process.execPath, ...args], { ready });
}
