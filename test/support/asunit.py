"""Runs a program as a systemd unit would, where no systemd runs: asunit.py UNIT [options] -- PROGRAM...

Takes from the unit what decides what the program may do: CapabilityBoundingSet=, NoNewPrivileges=,
ProtectSystem=strict, ReadWritePaths=, ProtectHome=, LoadCredential=, LimitCORE=, UMask= and SystemCallFilter=.
As root, with python3-seccomp. Options: --credential ID:PATH for what LoadCredential= has elsewhere, --user UID:GID for User=, --rw PATH for a path that ReadWritePaths= should have,
--bind FROM:TO for a mount that the program alone sees, --fd N:SOCKET for a listening Unix socket that it gets, --socket-user UID:GID for SocketUser=.
"""
import argparse
import ctypes
import os
import re
import resource
import socket
import subprocess
import sys

import seccomp

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS = 0x00020000
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS = 24, 38
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, RDONLY = 442, -100, 0x8000, 1
LAST_CAPABILITY = 40
CREDENTIALS = '/run/credentials/unit'


def checked(result, what):
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def directives(path):
    found = {}
    section = None
    for line in open(path):
        line = line.strip()
        if line.startswith('['):
            section = line
        elif section == '[Service]' and '=' in line and not line.startswith('#'):
            name, value = line.split('=', 1)
            found.setdefault(name, []).append(value.strip())
    return found


def mount(source, target, kind, flags, data=None):
    encoded = [None if each is None else each.encode() for each in (source, target, kind, data)]
    checked(LIBC.mount(encoded[0], encoded[1], encoded[2], flags, encoded[3]), f'mount {target}')


def set_read_only(path, is_read_only):
    attributes = (ctypes.c_uint64 * 4)(RDONLY if is_read_only else 0, 0 if is_read_only else RDONLY, 0, 0)
    result = LIBC.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), AT_RECURSIVE, attributes, 32)
    checked(result, f'mount_setattr {path}')


def credentials(unit, options):
    """Name and content of each, read while this is root."""
    places = dict(value.split(':', 1) for value in unit.get('LoadCredential', []))
    places |= dict(pair.split(':', 1) for pair in options.credential if pair.split(':', 1)[0] in places)
    return {name: open(path, 'rb').read() for name, path in places.items()}


def place_credentials(contents, owner):
    """In memory, where the program alone sees them."""
    mount('tmpfs', '/run', 'tmpfs', 0, 'mode=755')
    os.makedirs(CREDENTIALS)
    for name, content in contents.items():
        path = os.path.join(CREDENTIALS, name)
        with open(path, 'wb') as file:
            file.write(content)
        os.chmod(path, 0o400)
        os.chown(path, *owner)


def arrange_mounts(unit, options):
    contents = credentials(unit, options)
    checked(LIBC.unshare(CLONE_NEWNS), 'unshare')
    mount('none', '/', None, MS_REC | MS_PRIVATE)
    for pair in options.bind:
        source, target = pair.split(':')
        mount(source, target, None, MS_BIND)
    for path in options.rw:
        mount(path, path, None, MS_BIND | MS_REC)
    if contents:
        place_credentials(contents, map(int, options.user.split(':')))
    if unit.get('ProtectHome') == ['yes']:
        for path in ('/home', '/root', '/run/user'):
            # the program itself may be there
            if os.path.isdir(path) and not os.path.realpath(options.program[0]).startswith(path + '/'):
                mount('tmpfs', path, 'tmpfs', 0, 'mode=000')
    if unit.get('ProtectSystem') == ['strict']:
        set_read_only('/', True)
        for path in ['/proc', '/sys', '/dev', *options.rw]:
            set_read_only(path, False)


def names_of(group):
    """The system calls of a group such as @system-service."""
    if not group.startswith('@'):
        return {group}
    text = subprocess.run(['systemd-analyze', 'syscall-filter', group], capture_output=True, text=True, check=True)
    lines = [line.strip() for line in text.stdout.splitlines()[1:]]
    return set().union(*(names_of(line) for line in lines if re.match(r'[@a-z_0-9]', line)))


def allowed_calls(unit):
    allowed = set()
    for line in unit.get('SystemCallFilter', []):
        groups = set().union(*(names_of(group) for group in line.lstrip('~').split()))
        allowed = allowed - groups if line.startswith('~') else allowed | groups
    return allowed


def load_filter(allowed):
    rules = seccomp.SyscallFilter(seccomp.ERRNO(1))
    for name in allowed:
        try:
            rules.add_rule(seccomp.ALLOW, name)
        except (RuntimeError, ValueError):
            pass  # none of this machine
    rules.load()


def drop_capabilities(unit):
    kept = {capability_number(name) for value in unit.get('CapabilityBoundingSet', []) for name in value.split()}
    for number in range(LAST_CAPABILITY + 1):
        if number not in kept:
            checked(LIBC.prctl(PR_CAPBSET_DROP, number, 0, 0, 0), 'capability')


def capability_number(name):
    return {'CAP_KILL': 5, 'CAP_SETGID': 6, 'CAP_SETUID': 7, 'CAP_NET_BIND_SERVICE': 10}[name]


def inherit_sockets(options):
    for pair in options.fd:
        number, path = pair.split(':', 1)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(path)
        os.chmod(path, 0o600)
        if options.socket_user:
            os.chown(path, *map(int, options.socket_user.split(':')))
        listener.listen(100)
        os.dup2(listener.detach(), int(number))
        os.set_inheritable(int(number), True)
    if options.fd:
        os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(options.fd)))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument('unit')
    for name in ('--rw', '--bind', '--fd', '--credential'):
        parser.add_argument(name, action='append', default=[])
    parser.add_argument('--user')
    parser.add_argument('--socket-user')
    end = sys.argv.index('--')
    options = parser.parse_args(sys.argv[1:end])
    options.program = [each.replace('%d', CREDENTIALS) for each in sys.argv[end + 1 :]]
    unit = directives(options.unit)
    allowed = allowed_calls(unit)
    inherit_sockets(options)
    arrange_mounts(unit, options)
    os.umask(int(unit.get('UMask', ['022'])[0], 8))
    if unit.get('LimitCORE') == ['0']:
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    drop_capabilities(unit)
    if options.user:
        uid, gid = map(int, options.user.split(':'))
        os.setgroups([])
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
    if unit.get('NoNewPrivileges') == ['yes']:
        checked(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 'no new privileges')
    load_filter(allowed)
    os.execv(options.program[0], options.program)


main()
