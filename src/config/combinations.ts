/** Settings that are good each on its own, and not together. */
import { resolve } from 'node:path';
import type { Path, Settings } from './settings.ts';

export interface CombinationProblem {
  readonly path: readonly string[];
  readonly message: string;
}

export function combinationProblems(settings: Settings): CombinationProblem[] {
  return [
    ...recipientProblems(settings),
    ...tlsProblems(settings),
    ...headerProblems(settings),
    ...gatewayProblems(settings),
    ...forwardProblems(settings),
    ...stateProblems(settings),
  ];
}

/** What is about Maildirs has no meaning for the store of others. */
function forwardProblems({ store, folders, owners }: Settings): CombinationProblem[] {
  const { forward, seal_folders: sealed, maildirsize } = store;
  if (forward === undefined) return [];
  const why = 'is about Maildirs, and store.forward leaves none: remove one of the two';
  const problems: CombinationProblem[] = [];
  if (sealed.length > 0) problems.push(about('store.seal_folders', why));
  if (maildirsize) problems.push(about('store.maildirsize', why));
  if (folders.rules.length > 0) problems.push(about('folders.rules', why));
  if (owners.socket !== '') problems.push(about('owners.socket', why));
  return problems;
}

/** What must not be lost cannot be where a reboot empties it, nor where the server writes. */
function gatewayProblems({ gateway, store }: Settings): CombinationProblem[] {
  const directory = `${resolve(gateway.directory)}/`;
  const isBelow = (parent: string) => directory.startsWith(`${resolve(parent)}/`);
  if (['/run', '/var/run'].some(isBelow))
    return [about('gateway.directory', 'is below /run, which is empty after a reboot')];
  return isBelow(store.state.directory)
    ? [about('gateway.directory', 'is below store.state, which may be lost')]
    : [];
}

/** Without a secret, whoever sees Redis could find out which messages have come, or have one dropped. */
function stateProblems({ store, owners }: Settings): CombinationProblem[] {
  const { state, state_secret: secret, state_password_file: password, state_ca_file: ca } = store;
  if (state.shared !== undefined) {
    if (secret === '') return [about('store.state_secret', 'is needed by a URL in store.state')];
    // the homes of users may be file systems of their own, and none of them has a mark
    const isInVain = owners.socket !== '' && store.forward === undefined;
    return isInVain ? [about('store.state', 'has a URL, and owners.socket leaves it no effect')] : [];
  }
  const idle = { state_secret: secret, state_password_file: password, state_ca_file: ca };
  return (Object.keys(idle) as (keyof typeof idle)[])
    .filter((name) => idle[name] !== '')
    .map((name) => about(`store.${name}`, 'needs a URL of Redis in store.state'));
}

function headerProblems({ headers }: Settings): CombinationProblem[] {
  const names = headers.recipients.map(({ recipient }) => recipient.toLowerCase());
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  return twice === undefined ? [] : [about('headers.recipients', `has ${twice} twice`)];
}

function tlsProblems({ lmtp, tls }: Settings): CombinationProblem[] {
  const problems: CombinationProblem[] = [];
  const { certificate, key, client_ca: ca, client_names: names } = tls;
  const [more, fewer] =
    key.length > certificate.length
      ? (['tls.key', 'tls.certificate'] as const)
      : (['tls.certificate', 'tls.key'] as const);
  if (key.length !== certificate.length)
    problems.push(about(more, `needs as many files in ${fewer}, in the same order`));
  if (certificate.length === 0) {
    const begins = lmtp.listen.some(({ type }) => type === 'tls' || type === 'tlsSystemd');
    if (begins) problems.push(about('lmtp.listen', '"tls://" needs tls.certificate and tls.key'));
    if (lmtp.require_tls) problems.push(about('lmtp.require_tls', 'needs tls.certificate and tls.key'));
  }
  // else whoever leaves TLS out would need no certificate
  if (ca !== '' && !lmtp.require_tls) problems.push(about('tls.client_ca', 'needs lmtp.require_tls = true'));
  if (ca === '' && names.length > 0) problems.push(about('tls.client_names', 'needs tls.client_ca'));
  return problems;
}

function recipientProblems({ recipients, keys }: Settings): CombinationProblem[] {
  const { source, preset, folder, accounts, sql, ldap, socketmap, http } = recipients;
  const missing: Path[] = [];
  const isOfFiles = preset === 'docker-mailserver';
  if (source === 'accounts' && accounts.file === '' && !isOfFiles) missing.push('recipients.accounts.file');
  if (source === 'sql' && sql.url === '') missing.push('recipients.sql.url');
  if (source === 'sql' && sql.query === '' && preset === 'none') missing.push('recipients.sql.query');
  if (source === 'ldap' && ldap.url === '') missing.push('recipients.ldap.url');
  if (source === 'ldap' && ldap.base === '') missing.push('recipients.ldap.base');
  if (source === 'ldap' && ldap.bind_dn !== '' && ldap.password_file === '')
    missing.push('recipients.ldap.password_file');
  if (source === 'socketmap' && socketmap.address === undefined) missing.push('recipients.socketmap.address');
  if (source === 'http' && http.url === '') missing.push('recipients.http.url');
  const problems = missing.map((path) => about(path, `is needed by recipients.source = "${source}"`));
  if (keys.unusable === 'hold' && keys.hold === '')
    problems.push(about('keys.hold', 'is needed by keys.unusable = "hold"'));
  const wanted = isOfFiles ? 'accounts' : 'sql';
  if (preset !== 'none' && source !== wanted)
    problems.push(about('recipients.preset', `is for recipients.source = "${wanted}"`));
  if (preset !== 'none' && sql.query !== '')
    problems.push(about('recipients.sql.query', 'and recipients.preset are both set: remove one'));
  if (preset === 'mailcow' && folder === '')
    problems.push(
      about('recipients.folder', 'is needed by the preset mailcow: MAILDIR_SUB, or "." if it is empty'),
    );
  if (folder.startsWith('/') || folder.split('/').includes('..'))
    problems.push(about('recipients.folder', 'leaves the path that it is below'));
  if (sql.url !== '' && !/^(postgres(ql)?|mysql|mariadb|sqlite):/.test(sql.url))
    problems.push(about('recipients.sql.url', 'begins with none of postgresql:, mysql:, mariadb:, sqlite:'));
  if (ldap.url !== '' && !/^ldaps?:\/\//.test(ldap.url))
    problems.push(about('recipients.ldap.url', 'begins with neither ldap:// nor ldaps://'));
  if (http.url !== '' && !/^https?:\/\/.*\{(address|local)\}/.test(http.url))
    problems.push(about('recipients.http.url', 'is no http: or https: URL with {address} or {local}'));
  return problems;
}

function about(path: Path, what: string): CombinationProblem {
  return { path: path.split('.'), message: `${path}: ${what}` };
}
