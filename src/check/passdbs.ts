/** Where a Dovecot looks for passwords, in both forms of its configuration. */
import { type Block, blocksOf, settingIn } from './doveconf.ts';

export interface Passdb {
  readonly driver: string;
  /** The file of a passwd-file, as it is written: with variables, if there are any. */
  readonly path: string;
  /** Names in it are without their domain. */
  readonly isLocal: boolean;
  /** That of `imap`. */
  readonly port: number;
}

/** Returns those that let somebody in: not those of master users, nor those that keep somebody out. */
export function passdbsOf(config: Block): Passdb[] {
  return blocksOf(config, 'passdb')
    .filter(({ values }) => values.get('deny') !== 'yes' && values.get('master') !== 'yes')
    .filter(({ values }) => values.get('result_success') !== 'return-fail')
    .map(passdbOf);
}

/** Returns the files that say who exists, where the uid and the home of a user are. */
export function userFilesOf(config: Block): string[] {
  return blocksOf(config, 'userdb')
    .map(passdbOf)
    .flatMap(({ driver, path }) => (driver === 'passwd-file' ? [path] : []));
}

function passdbOf(block: Block): Passdb {
  const { name, values } = block;
  const args = (values.get('args') ?? '').split(/\s+/);
  const argument = (key: string) => args.find((each) => each.startsWith(`${key}=`))?.slice(key.length + 1);
  const format = argument('username_format') ?? settingIn(block, 'auth_username_format') ?? '';
  const isWhole = format === '' || /%L?u|%\{ *(user|orig_user)( *\| *lower)? *\}/.test(format);
  return {
    driver: values.get('driver') ?? name,
    path: settingIn(block, 'passwd_file_path') ?? args.at(-1) ?? '',
    isLocal: !isWhole,
    port: Number(argument('port') ?? settingIn(block, 'imapc_port') ?? 143),
  };
}
