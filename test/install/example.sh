# Follows config/example/README.md in a clean Debian under systemd, to the letter, and uses the mail server that
# comes of it: mail from elsewhere, of a user, spam, and after a restart of the machine. With SEALDIR_GATEWAY=1 puts
# the gateway of README before it, too. Sourced by test/install.sh.
#
# The machine is a container with a loopback for its network, in which packages are fetched beforehand and the
# world's DNS is a file of unbound. The doubles of "elsewhere" are addresses of that loopback.

page=config/example/README.md
password='a password of IMAP'

# The root has what each Debian server has, systemd, and the packages of the page, not yet installed.
make_mailserver() {
  local packages
  packages=$(sed -n 's/^apt-get install -y \([a-z].*\)/\1/p' "$page")
  rm -rf "$roots/mailserver.new"
  cp -a "$roots/base" "$roots/mailserver.new"
  connect "$roots/mailserver.new"
  retry chroot "$roots/mailserver.new" apt-get -q update >/dev/null
  retry chroot "$roots/mailserver.new" apt-get -q install -y --no-install-recommends systemd systemd-sysv dbus >"$work/apt.log" 2>&1
  # shellcheck disable=SC2086 # a list
  retry chroot "$roots/mailserver.new" apt-get -q install -y --download-only $packages >/dev/null
  mv "$roots/mailserver.new" "$roots/mailserver"
}

# Prints the block of commands under the heading of the page that begins with a number.
page_block() {
  awk -v number="## $1. " '
    /^## / { here = (index($0, number) == 1) }
    here && /^```sh$/ { in_block = 1; next }
    /^```$/ { in_block = 0 }
    in_block' "$page"
}

boot() {
  SYSTEMD_LOG_LEVEL=err systemd-nspawn --quiet --register=no --keep-unit --private-network --resolv-conf=off --console=pipe \
    --machine=mx --directory="$root" --boot </dev/null >"$work/console" 2>&1 5>&- &
  nspawn=$!
  wait_for 'the machine' is_up
}

# Its first process is the child of nspawn.
is_up() {
  machine=$(pgrep -o -P "$nspawn" || true)
  [ -n "$machine" ] && in_machine systemctl is-system-running 2>/dev/null | grep -Eq 'running|degraded'
}

shut_down() {
  in_machine systemctl --no-block poweroff || true
  wait "$nspawn" || true
}

in_machine() {
  nsenter --target "$machine" --mount --uts --ipc --net --pid --cgroup --root --wd -- /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 \
    DEBIAN_FRONTEND=noninteractive PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

# A program of this machine, on the network of the other.
beside() { nsenter --target "$machine" --net -- "$@"; }

# Runs the commands of a step of the page, and stops at the first that fails.
step() {
  local block
  block=$(page_block "$1")
  # what the page says of Debian 13
  [ "$suite" = bookworm ] || block=$(sed -E 's,/(sealdir|dovecot)\.conf /etc/dovecot,/\1-2.4.conf /etc/dovecot,' <<<"$block")
  [ -n "$block" ] || fail "$page has no commands in step $1"
  printf '%s\n' "$block" | sed 's/^/$ /'
  printf 'set -euo pipefail\ncd /root\n%s\n' "$block" >"$root/root/step.sh"
  # doveadm asks twice
  printf '%s\n%s\n' "$password" "$password" | in_machine bash /root/step.sh >"$work/step" 2>&1 ||
    { tail -20 "$work/step" >&2 && fail "step $1 of $page"; }
}

# What the rest of the world says: a server with a name, one without, and one that is on a list.
fake_world() {
  mkdir -p "$root/etc/unbound/unbound.conf.d"
  cat >"$root/etc/unbound/unbound.conf.d/world.conf" <<EOF
server:
  local-zone: "." static
  local-data: "mx.example.org. A 198.51.100.7"
  local-data: "example.org. MX 10 mx.example.org."
  local-data-ptr: "198.51.100.7 mx.example.org"
  local-data: "listed.example.org. A 198.51.100.9"
  local-data-ptr: "198.51.100.9 listed.example.org"
  local-data: "9.100.51.198.zen.spamhaus.org. A 127.0.0.2"
EOF
}

# Sends from an address elsewhere, and prints what was said.
from_elsewhere() {
  local address=$1
  shift
  beside swaks --server 127.0.0.1:25 --local-interface "$address" --tls --helo mx.example.org --from me@example.org \
    --h-From me@example.org "$@" 2>&1 || true
}

from_user() {
  beside swaks --server 127.0.0.1:465 --tls-on-connect --helo laptop --from alice@example.com --to alice@example.com \
    --auth PLAIN --auth-user alice@example.com "$@" 2>&1 || true
}

said() { grep -Eq "$1" <<<"$2" || { echo "$2" >&2 && fail "no $1"; }; }

has_mail() { in_machine doveadm search -u alice@example.com mailbox "$1" subject "$2" | grep -q .; }

# Prints a message as its owner reads it.
read_mail() {
  wait_for "$2 in $1" has_mail "$1" "$2"
  in_machine doveadm fetch -u alice@example.com text mailbox "$1" subject "$2" | sed 1d >"$root/root/sealed"
  in_machine sealdir open -k /root/alice@example.com.secret.asc /root/sealed
}

# Runs the block of README's "Read with any client" that has a word in it, and stops at the first that fails.
gateway_step() {
  local block
  block=$(readme_block '### Read with any client' "$1")
  [ "$suite" = bookworm ] || block=$(sed -E 's,/(gateway|logins)\.conf /etc/dovecot,/\1-2.4.conf /etc/dovecot,' <<<"$block")
  [ -n "$block" ] || fail "README \"Read with any client\" has no commands with $1"
  printf '%s\n' "$block" | sed 's/^/$ /'
  printf 'set -euo pipefail\ncd /root\n%s\n' "$block" >"$root/root/step.sh"
  in_machine bash /root/step.sh >"$work/step" 2>&1 || { tail -20 "$work/step" >&2 && fail "README, $1"; }
}

# Prints what the gateway has in the inbox; before, stores what a second argument has.
through_gateway() {
  beside python3 - "$@" <<'EOF' 2>&1 || true
import imaplib, ssl, sys
imap = imaplib.IMAP4_SSL('127.0.0.1', 10993, ssl_context=ssl._create_unverified_context())
imap.login('alice@example.com', sys.argv[1])
for text in sys.argv[2:]:
    imap.append('INBOX', None, None, text.replace('\n', '\r\n').encode())
imap.select()
print(imap.fetch('1:*', '(BODY[TEXT])'))
imap.logout()
EOF
}

use_gateway() {
  wait_for 'the gateway' in_machine systemctl is-active --quiet sealdir-gateway
  said 'gateway-canary' "$(through_gateway "$code" $'Subject: of a program\n\ngateway-canary\n')"
  if grep -rq 'gateway-canary' "$root/var/mail/sealdir" "$root/var/lib/dovecot"; then fail 'there is plaintext in the store'; fi
  said '250 2.0.0 Ok: queued' "$(from_user --auth-password "$code" --h-Subject 'with a code' --body hello)"
}

test_gateway() {
  local fix
  in_machine bash -c 'mkdir /root/home && cd /root/home && sealdir enroll -k ../alice@example.com.secret.asc \
    --device phone --print-codes alice@example.com && mv *.wrapped ..' >"$work/enrolled" 2>&1 || { cat "$work/enrolled" >&2 && fail enroll; }
  code=$(grep -oE '([0-9A-Z]{4}-){6}[0-9A-Z]{4}' "$work/enrolled" | head -1)
  [ -n "$code" ] || { cat "$work/enrolled" >&2 && fail 'there is no code'; }
  gateway_step 'slots import'
  gateway_step sealdir-tls
  awk '/^### Read with any client/ { here = 1 } here && /^```toml$/ { in_block = 1; next } /^```$/ && in_block { exit } in_block' \
    README.md >>"$root/etc/sealdir/sealdir.toml"
  in_machine bash -c 'chown root:sealdir /etc/sealdir/sealdir.toml && chmod 640 /etc/sealdir/sealdir.toml'
  gateway_step gateway.conf
  use_it 'before the gateway'
  gateway_step logins.conf
  # it ends with 1 or 2, as it finds something
  fix=$( (in_machine sealdir check 2>&1 || true) | sed -n 's/^ *fix: \(sed -i .*\)  # or .*/\1/p')
  said "^sed -i -e .*/etc/dovecot/users'$" "$fix"
  said '535' "$(from_user --auth-password wrong)"
  in_machine bash -c "$fix"
  if in_machine sealdir check 2>&1 | grep -E 'hash|Dovecot'; then fail 'check still finds something'; fi
  said '535' "$(from_user --auth-password "$password")"
  use_gateway
}

use_it() {
  local opened
  said '250 2.0.0 Ok: queued' "$(from_elsewhere 198.51.100.7 --to alice@example.com --h-Subject "$1" --body hello)"
  opened=$(read_mail INBOX "$1")
  said '^hello' "$opened"
  said 'using TLSv1.3 with cipher' "$opened"
  said 'X-Spam-Status: No' "$opened"
}

test_example() {
  local started n complaints
  fresh_root mailserver
  umount "$root/proc" "$root/run"
  cp "$package" "$root/root/"
  fake_world
  echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/fast"
  say 'a machine with systemd'
  boot
  beside ip address add 198.51.100.7/32 dev lo
  beside ip address add 198.51.100.8/32 dev lo
  beside ip address add 198.51.100.9/32 dev lo

  say "$page, to the letter"
  started=$SECONDS
  step 1
  in_machine bash -c 'cd /root && sealdir key generate --no-passphrase alice@example.com' >/dev/null
  say 'installed'
  for n in 2 3 4 5 6 7; do step "$n"; done
  grep -q 'TLSA 3 1 2' "$work/step" && grep -q 'v=DKIM1' "$work/step" || fail 'no records are printed'
  step 8
  cat "$work/step"
  say "that took $((SECONDS - started)) s"

  use_it 'from elsewhere'
  said '250 2.0.0 Ok: queued' "$(from_user --auth-password "$password" --h-Subject 'of a user' --body hello)"
  said 'DKIM-Signature: .*d=example.com' "$(read_mail INBOX 'of a user')"
  said '535 5.7.8' "$(from_user --auth-password wrong)"
  said '554 5.7.1 Gtube' "$(from_elsewhere 198.51.100.7 --to alice@example.com \
    --body 'XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X')"
  said '250 2.0.0 Ok: queued' "$(from_elsewhere 198.51.100.7 --to alice@example.com --h-Subject junk --header 'X-Spam: Yes')"
  said 'X-Spam-Status: Yes' "$(read_mail Junk junk)"
  said '550 5.1.1' "$(from_elsewhere 198.51.100.7 --to nobody@example.com)"
  said '554 5.7.1 .*Relay access denied' "$(from_elsewhere 198.51.100.7 --to me@example.net)"
  said '450 4.7.1' "$(from_elsewhere 198.51.100.8 --to alice@example.com)"
  said '554 5.7.1 .*zen.spamhaus.org' "$(from_elsewhere 198.51.100.9 --to alice@example.com)"
  said 'example.org' "$(in_machine sealdir tls-report)"
  grep -rq 'hello' "$root/var/mail/sealdir" && fail 'there is plaintext in the store'

  if [ "${SEALDIR_GATEWAY:-}" = 1 ]; then
    say 'README "Read with any client", to the letter'
    test_gateway
  fi
  say 'after a restart of the machine'
  shut_down
  boot
  beside ip address add 198.51.100.7/32 dev lo
  use_it 'after a restart'
  if [ "${SEALDIR_GATEWAY:-}" = 1 ]; then use_gateway; fi
  said '0 loaded units listed' "$(in_machine systemctl --failed)"
  complaints=$(in_machine journalctl --boot --priority warning --quiet -u 'postfix*' -u dovecot -u rspamd -u 'sealdir*' |
    grep -v 'gateway login refused' || true) # of a wrong password above
  expect complaints "$complaints" ''
  shut_down
}
