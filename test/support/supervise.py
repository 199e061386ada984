"""Plays systemd for one service, where none runs: supervise.py SPEC PROGRAM...

SPEC is JSON: `sockets`, a list of {"name", "path"}, which it listens on and passes by name;
`notify`, the path of the socket on which it is told how things go; `watchdog`, in ms. What it is told is a line on
standard output: "told READY=1". USR1 makes it stop the program and start it again, TERM end it.
"""
import fcntl
import json
import os
import select
import signal
import socket
import subprocess
import sys

spec = json.loads(sys.argv[1])


def listening(wanted):
    made = socket.socket(socket.AF_UNIX)
    made.bind(wanted['path'])
    made.listen(511)
    return made


def say(line):
    # in one piece, since the program writes there, too: print makes four of it under PYTHONUNBUFFERED
    os.write(1, f'{line}\n'.encode())


def hear():
    # descriptors come along (BARRIER=1), and whoever sent them waits until they are closed
    message, passed, _, _ = socket.recv_fds(notified, 4096, 4)
    for each in passed:
        os.close(each)
    for line in message.decode().splitlines():
        say(f'told {line}')


def in_child():
    # none of them may be where a copy goes
    high = [fcntl.fcntl(each.fileno(), fcntl.F_DUPFD_CLOEXEC, 100) for each in sockets]
    for n, each in enumerate(high):
        os.dup2(each, 3 + n)


def spawn():
    # sh becomes the program, under the process number that LISTEN_PID and WATCHDOG_PID name
    script = 'LISTEN_PID=$$ WATCHDOG_PID=$$ exec "$@"'
    environment = dict(os.environ, LISTEN_FDS=str(len(sockets)),
                       LISTEN_FDNAMES=':'.join(each['name'] for each in spec['sockets']),
                       NOTIFY_SOCKET=spec['notify'])
    if 'watchdog' in spec:
        environment['WATCHDOG_USEC'] = str(1000 * spec['watchdog'])
    return subprocess.Popen(['sh', '-c', script, 'sh', *sys.argv[2:]], env=environment, close_fds=False,
                            preexec_fn=in_child)


def end(program):
    """Stops the program, hears meanwhile what it tells, and returns the signals that have come."""
    program.send_signal(signal.SIGTERM)
    got = b''
    while program.poll() is None:
        got += look(0.02)
    while notified in select.select(heard, [], [], 0)[0]:
        hear()
    say(f'ended {program.returncode}')
    return got


def look(seconds=None):
    """Waits for a signal or for what is told, and returns the signals that have come."""
    readable, _, _ = select.select(heard, [], [], seconds)
    if notified in readable:
        hear()
    return signals.recv(100) if signals in readable else b''


# All in one thread: a signal writes its number where `look` waits.
signals, woken = socket.socketpair()
woken.setblocking(False)
signal.set_wakeup_fd(woken.fileno())
for each in [signal.SIGUSR1, signal.SIGTERM, signal.SIGCHLD]:
    signal.signal(each, lambda *_: None)
sockets = [listening(each) for each in spec['sockets']]
notified = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
notified.bind(spec['notify'])
os.chmod(spec['notify'], 0o777)
heard = [signals, notified]
while True:
    program = spawn()
    got = b''
    while signal.SIGUSR1 not in got and signal.SIGTERM not in got and program.poll() is None:
        got = look()
    got += end(program)
    if signal.SIGUSR1 not in got or signal.SIGTERM in got:
        sys.exit(program.returncode)
