/**
 * What Exim, if it is on this machine, does with mail for us: `exim -bP` says what it has read. Looks at
 * transports that lead here: lmtp and smtp to a listener of ours, pipe and filter with our commands.
 */
import type { Settings } from '../config/settings.ts';
import { type Account, accountNamed, groupNamed, groupText, nameOfGroup } from './accounts.ts';
import { bytesOf, millisecondsOf, optionsIn, type Transport, transportsIn } from './eximtransports.ts';
import { error, type Finding, note, quoted, warning } from './finding.ts';
import { ask, type ProgramAnswer } from './program.ts';
import { closedTo } from './reach.ts';
import { socketPaths } from './sockets.ts';

/** What Debian calls it comes first. */
const PROGRAMS = ['exim4', 'exim'];
const GLOBAL = ['message_size_limit', 'accept_8bitmime', 'exim_user'];
/** Lines of text are shorter in all mail that people write. */
const LONG_LINE = 1_000_000;
const TEMPORARY = '75';

export async function checkExim(settings: Settings): Promise<Finding[]> {
  const exim = await firstExim();
  if (exim === undefined) return [];
  if ('why' in exim.transports) {
    const what = `${exim.program} -bP transports: ${exim.transports.why}`;
    return [note('exim-unread', what, `run ${exim.program} -bP transports, and mend what it says`)];
  }
  const ours = transportsIn(exim.transports.output).filter((each) => leadsHere(each, settings));
  if (ours.length === 0) return [elsewhere(settings)];
  const global = optionsIn(outputOf(await ask(exim.program, ['-bP', ...GLOBAL])));
  const config = outputOf(await ask(exim.program, ['-bP', 'config']));
  const user = global.values.get('exim_user') ?? '';
  return [
    ...checkSize(settings, global.values.get('message_size_limit') ?? ''),
    ...checkEightBit(global.flags),
    ...checkCallout(ours, config),
    ...ours.flatMap((each) => checkTransport(each, settings, user)),
  ];
}

async function firstExim(): Promise<{ program: string; transports: ProgramAnswer } | undefined> {
  for (const program of PROGRAMS) {
    const transports = await ask(program, ['-bP', 'transports']);
    if ('output' in transports || !transports.isMissing) return { program, transports };
  }
  return undefined;
}

function leadsHere(transport: Transport, settings: Settings): boolean {
  switch (transport.driver) {
    case 'lmtp':
      return socketPaths(settings).includes(transport.option('socket') ?? '') || runsUs(transport);
    case 'smtp': {
      const ports = settings.lmtp.listen.flatMap((each) => ('port' in each ? [`${each.port}`] : []));
      return transport.option('protocol') === 'lmtp' && ports.includes(transport.option('port') ?? '');
    }
    default:
      return runsUs(transport);
  }
}

function runsUs(transport: Transport): boolean {
  const commands = `${transport.option('command') ?? ''} ${transport.option('transport_filter') ?? ''}`;
  return /(^|[\s/])sealdir\s+(seal|deliver)\b/.test(commands);
}

function elsewhere(settings: Settings): Finding {
  const [path = '/run/sealdir/lmtp.sock'] = socketPaths(settings);
  const fix = `add a transport with "driver = lmtp" and "socket = ${path}", if Exim is to deliver here`;
  return note('exim-elsewhere', 'Exim has no transport that leads to Sealdir', fix);
}

function checkSize({ lmtp }: Settings, limit: string): Finding[] {
  const bytes = bytesOf(limit);
  if (bytes === undefined || (bytes > 0 && bytes <= lmtp.max_message_size)) return [];
  const accepted = bytes === 0 ? 'any size' : `${bytes} bytes`;
  const what = `Exim accepts messages of ${accepted}, Sealdir only ${lmtp.max_message_size}`;
  const fix = `set message_size_limit = ${lmtp.max_message_size} in Exim, or raise lmtp.max_message_size`;
  return [warning('exim-size', what, fix)];
}

function checkEightBit(flags: ReadonlySet<string>): Finding[] {
  if (!flags.has('no_accept_8bitmime')) return [];
  const what = 'Exim does not offer 8BITMIME (accept_8bitmime)';
  return [warning('exim-8bit', what, 'set accept_8bitmime = true in Exim')];
}

function checkCallout(ours: readonly Transport[], config: string): Finding[] {
  if (!ours.some(({ driver }) => driver === 'smtp')) return [];
  const callouts = config.match(/verify *= *recipient\S*\/callout\S*/g) ?? [];
  if (callouts.every((each) => /\bno_cache\b/.test(each))) return [];
  const what = 'Exim remembers which recipients do not exist (verify = recipient/callout)';
  return [warning('exim-callout-cache', what, 'write verify = recipient/callout=30s,no_cache')];
}

function checkTransport(transport: Transport, settings: Settings, user: string): Finding[] {
  switch (transport.driver) {
    case 'lmtp':
      return [...checkReach(transport, settings, user), ...checkTimeout(transport, 'timeout', settings)];
    case 'smtp':
      return [...checkLines(transport), ...checkTimeout(transport, 'final_timeout', settings)];
    case 'pipe':
      return checkPipe(transport);
    default:
      return [];
  }
}

function checkReach(transport: Transport, settings: Settings, eximUser: string): Finding[] {
  const socket = transport.option('socket') ?? '';
  const account = accountOf(transport, eximUser);
  if (socket === '' || account === undefined) return [];
  return closedTo(account, settings, [socket]).map(({ path, group }) => {
    const what = `lmtp.listen: Exim's transport ${transport.name} may not pass ${path}`;
    const name = nameOfGroup(group) ?? groupText(group);
    const fix = group === 0 ? 'give it to a group that is not root' : `set group = ${name} in that transport`;
    return warning('exim-closed', what, fix);
  });
}

/** Returns whom a transport runs as: with one group, unless it says initgroups. */
function accountOf(transport: Transport, eximUser: string): Account | undefined {
  const [name, group] = [transport.option('user') || eximUser, transport.option('group') ?? ''];
  const account = accountNamed(name);
  const gid = group === '' ? account?.groups[0] : (groupNamed(group) ?? Number(group));
  if (account === undefined || gid === undefined || Number.isNaN(gid)) return undefined;
  return { uid: account.uid, groups: transport.isSet('initgroups') ? [gid, ...account.groups] : [gid] };
}

function checkTimeout(transport: Transport, option: string, { lmtp }: Settings): Finding[] {
  const waits = millisecondsOf(transport.option(option) ?? '');
  if (waits === undefined || waits > lmtp.transaction_timeout) return [];
  const seconds = Math.ceil(lmtp.transaction_timeout / 1000);
  const what = `Exim's transport ${transport.name} waits ${waits / 1000} s for the last reply, which may take ${seconds} s (lmtp.transaction_timeout)`;
  return [warning('exim-timeout', what, `set ${option} = ${seconds + 60}s in that transport`)];
}

function checkLines(transport: Transport): Finding[] {
  const limit = Number(transport.option('message_linelength_limit') ?? LONG_LINE);
  if (limit >= LONG_LINE) return [];
  const what = `Exim's transport ${transport.name} sends no line over ${limit} bytes`;
  return [warning('exim-lines', what, `set message_linelength_limit = ${LONG_LINE} in that transport`)];
}

function checkPipe(transport: Transport): Finding[] {
  const findings: Finding[] = [];
  const { name } = transport;
  if (transport.isSet('ignore_status')) {
    const what = `Exim's transport ${name} ignores the exit code of sealdir (ignore_status)`;
    findings.push(error('exim-pipe-status', what, 'remove ignore_status from that transport'));
  }
  const temporary = transport.option('temp_errors') ?? '';
  if (temporary !== '*' && !temporary.split(/[\s:]+/).includes(TEMPORARY)) {
    const what = `Exim's transport ${name} takes exit code 75 for a failure that stays (temp_errors)`;
    findings.push(error('exim-pipe-errors', what, 'set temp_errors = 75 in that transport'));
  }
  if ((transport.option('message_prefix') ?? '') !== '') {
    const what = `Exim's transport ${name} puts a line in front of each message (message_prefix)`;
    const fix = `write ${quoted('message_prefix =')} and ${quoted('message_suffix =')} in that transport`;
    findings.push(warning('exim-pipe-prefix', what, fix.replaceAll("'", '"')));
  }
  return findings;
}

function outputOf(answer: ProgramAnswer): string {
  return 'output' in answer ? answer.output : '';
}
