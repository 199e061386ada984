/**
 * What Postfix, if it is on this machine, does with mail for us: `postconf` says what the mail server would
 * read itself. Of options in master.cf only those of the service that delivers here count.
 */
import type { Settings } from '../config/settings.ts';
import { accountNamed, groupText, nameOfGroup } from './accounts.ts';
import { type Finding, note, quoted, warning } from './finding.ts';
import { ask } from './program.ts';
import { closedTo } from './reach.ts';
import { socketPaths } from './sockets.ts';

/** The parameters that may lead mail here. */
const ROUTES = [
  'virtual_transport',
  'local_transport',
  'mailbox_transport',
  'relay_transport',
  'transport_maps',
];
const NAMES = [
  ...ROUTES,
  'message_size_limit',
  'lmtp_line_length_limit',
  'lmtp_discard_lhlo_keywords',
  'lmtp_data_done_timeout',
  'recipient_delimiter',
  'smtpd_recipient_restrictions',
  'smtpd_relay_restrictions',
  'address_verify_negative_cache',
  'address_verify_map',
  'mail_owner',
  'queue_directory',
];

type Values = Readonly<Record<string, string>>;

export async function checkPostfix(settings: Settings): Promise<Finding[]> {
  const parameters = parametersOf(await postconf(['-x', ...NAMES]));
  if (parameters === undefined) return [];
  const services = ((await postconf(['-M'])) ?? '').replaceAll(/\n\s+/g, ' '); // a line each
  const name = serviceOf(settings, parameters);
  const values = { ...parameters, ...optionsOf(name, await postconf(['-P'])) };
  const service = services
    .split('\n')
    .find((line) => line.startsWith(`${name} `) && /^\S+ +unix /.test(line));
  const way = wayOf(settings, values, services);
  const ofAny = [
    ...(way === undefined ? elsewhere(settings) : []),
    ...checkSizes(settings, values),
    ...checkAddresses(settings, values),
  ];
  // pipe(8) has nothing to do with the LMTP client and its user
  if (way === 'pipe') return ofAny;
  return [
    ...ofAny,
    ...checkBytes(values),
    ...checkTimes(settings, values),
    ...checkReach(settings, values.mail_owner ?? ''),
    ...checkChroot(settings, values.queue_directory ?? '', name, service),
  ];
}

/** Returns the name of the service in master.cf that delivers to one of our sockets. */
function serviceOf(settings: Settings, values: Values): string {
  for (const route of ROUTES)
    for (const [, name = '', path = ''] of (values[route] ?? '').matchAll(/([\w-]+):unix:([^\s,{}]+)/g))
      if (socketPaths(settings).includes(path)) return name;
  return 'lmtp';
}

/** Tells how mail comes here: over LMTP to one of our sockets, or by a program for each message. */
function wayOf(settings: Settings, values: Values, services: string): 'lmtp' | 'pipe' | undefined {
  const routes = [...ROUTES.map((name) => values[name] ?? ''), services].join('\n');
  const places = [...socketPaths(settings), ...portsOf(settings)];
  if (places.some((each) => routes.includes(each))) return 'lmtp';
  if (/^\S+ +unix .* pipe .*sealdir/m.test(services)) return 'pipe';
  return routes.includes('sealdir') ? 'lmtp' : undefined;
}

/** Tells of a Postfix that does not know us: nothing else says so before mail should have come. */
function elsewhere(settings: Settings): Finding[] {
  const [path] = socketPaths(settings);
  const [port = ''] = portsOf(settings);
  const transport = path === undefined ? `lmtp:inet:127.0.0.1${port}` : `lmtp:unix:${path}`;
  return [
    note('postfix-elsewhere', 'Postfix has no transport that leads to Sealdir', {
      command: `postconf -e virtual_transport=${quoted(transport)}`,
      or: 'none is needed, if another mail server delivers here',
    }),
  ];
}

function portsOf({ lmtp }: Settings): string[] {
  return lmtp.listen.flatMap((each) => ('port' in each ? [`:${each.port}`] : []));
}

function checkSizes({ lmtp }: Settings, values: Values): Finding[] {
  const limit = Number(values.message_size_limit);
  if (limit !== 0 && limit <= lmtp.max_message_size) return [];
  const accepted = limit === 0 ? 'any size' : `${limit} bytes`;
  const what = `Postfix accepts messages of ${accepted}, Sealdir only ${lmtp.max_message_size}: the larger ones bounce`;
  const command = `postconf -e message_size_limit=${lmtp.max_message_size}`;
  return [warning('postfix-size', what, { command, or: 'raise lmtp.max_message_size' })];
}

function checkBytes(values: Values): Finding[] {
  const findings: Finding[] = [];
  if (values.lmtp_line_length_limit !== '0') {
    const what = `Postfix folds lines over ${values.lmtp_line_length_limit} bytes before it delivers`;
    findings.push(warning('postfix-lines', what, { command: 'postconf -e lmtp_line_length_limit=0' }));
  }
  const discarded = (values.lmtp_discard_lhlo_keywords ?? '').toLowerCase().split(/[\s,]+/);
  if (discarded.includes('8bitmime')) {
    const kept = discarded.filter((each) => each !== '8bitmime').join(' ');
    const what = 'Postfix does not use 8BITMIME, which Sealdir offers (lmtp_discard_lhlo_keywords)';
    const command = `postconf -e lmtp_discard_lhlo_keywords=${quoted(kept)}`;
    findings.push(warning('postfix-8bit', what, { command }));
  }
  return findings;
}

function checkTimes({ lmtp }: Settings, values: Values): Finding[] {
  const waits = secondsOf(values.lmtp_data_done_timeout ?? '');
  const least = Math.ceil(lmtp.transaction_timeout / 1000);
  if (waits === undefined || waits > least) return [];
  const what = `Postfix waits ${waits} s for the last reply, which may take ${least} s (lmtp.transaction_timeout)`;
  return [warning('postfix-timeout', what, { command: `postconf -e lmtp_data_done_timeout=${least + 60}s` })];
}

function checkAddresses({ recipients }: Settings, values: Values): Finding[] {
  const findings: Finding[] = [];
  const restrictions = `${values.smtpd_recipient_restrictions} ${values.smtpd_relay_restrictions}`;
  const isCached = values.address_verify_negative_cache === 'yes' && values.address_verify_map !== '';
  if (restrictions.includes('reject_unverified_recipient') && isCached) {
    const what = 'Postfix remembers which recipients do not exist (address_verify_negative_cache)';
    const command = 'postconf -e address_verify_negative_cache=no';
    findings.push(warning('postfix-verify-cache', what, { command }));
  }
  const theirs = [...(values.recipient_delimiter ?? '')];
  const unknown = theirs.filter((each) => !recipients.delimiter.includes(each)).join('');
  if (unknown !== '') {
    const what = `recipients.delimiter: Postfix splits addresses at "${unknown}", and Sealdir does not`;
    const fix = `set recipients.delimiter to "${recipients.delimiter}${unknown}"`;
    findings.push(warning('postfix-delimiter', what, fix));
  }
  return findings;
}

/** Tells whether the user that Postfix delivers as may connect to the sockets. */
function checkReach(settings: Settings, owner: string): Finding[] {
  const account = accountNamed(owner);
  if (account === undefined) return [];
  return closedTo(account, settings).map(({ path, group }) => {
    const what = `lmtp.listen: Postfix delivers as user ${owner}, to whom ${path} is closed`;
    if (group === 0) return warning('postfix-closed', what, 'give it to a group that is not root');
    const name = nameOfGroup(group);
    if (name === undefined)
      return warning('postfix-closed', what, `make ${owner} a member of ${groupText(group)} (usermod -aG)`);
    const command = `usermod -aG ${name} ${owner} && postfix reload`;
    return warning('postfix-closed', what, { command });
  });
}

/** In a chroot, Postfix sees what is below its queue directory and nothing else. */
function checkChroot(
  settings: Settings,
  queue: string,
  name: string,
  service: string | undefined,
): Finding[] {
  const [, , , , chroot] = service?.trim().split(/\s+/) ?? [];
  if (chroot !== 'y') return [];
  const outside = socketPaths(settings).find((path) => !path.startsWith(`${queue}/`));
  if (outside === undefined) return [];
  const what = `lmtp.listen: Postfix delivers from a chroot, in which there is no ${outside}`;
  const command = `postconf -F ${name}/unix/chroot=n && postfix reload`;
  return [warning('postfix-chroot', what, { command, or: "listen on 127.0.0.1 or below Postfix's queue" })];
}

/** Returns seconds of "600s", "10m" and the like, or undefined. */
function secondsOf(text: string): number | undefined {
  const [, count, unit = 's'] = /^(\d+)([smhdw]?)$/.exec(text.trim()) ?? [];
  const factor = { s: 1, m: 60, h: 3600, d: 86_400, w: 604_800 }[unit === '' ? 's' : unit];
  return count === undefined || factor === undefined ? undefined : Number(count) * factor;
}

function optionsOf(service: string, output: string | undefined): Values {
  const lines = output?.split('\n').filter((line) => line.startsWith(`${service}/unix/`)) ?? [];
  return parametersOf(lines.map((line) => line.slice(`${service}/unix/`.length)).join('\n')) ?? {};
}

function parametersOf(output: string | undefined): Record<string, string> | undefined {
  const lines = output?.trim().split('\n');
  return (
    lines && Object.fromEntries(lines.map((line) => /^(\S*) *= *(.*)$/.exec(line)?.slice(1) ?? ['', '']))
  );
}

/** Returns undefined where there is no Postfix, or none that answers. */
async function postconf(args: readonly string[]): Promise<string | undefined> {
  const answer = await ask('postconf', args);
  return 'output' in answer ? answer.output : undefined;
}
