/** Writes what makes zsh complete the command line. */
import { HEAD, KEYS, type Kind, kindOf, words } from './completion.ts';
import { OPTIONS, type Synopsis, synopses } from './synopsis.ts';

export function zshCompletion(): string {
  const { second } = words();
  const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`;
  const action: Record<Kind, string> = {
    file: '_files',
    directory: '_files -/',
    address: '_sealdir_addresses',
    word: ' ',
  };
  const specs = (synopsis: Synopsis) => [
    ...synopsis.options.flatMap((option) => {
      const { long = option, value, doc = '' } = OPTIONS[option] ?? {};
      const about = doc.replaceAll(/[[\]:]/g, '').replace(/\.$/, '');
      const tail = value === undefined ? '' : `:${value}:${action[kindOf(value)]}`;
      return [...new Set([option, long])].map((each) => quote(`${each}[${about}]${tail}`));
    }),
    ...(synopsis.operands.length === 0
      ? []
      : [quote(`*:${synopsis.operands.join(' or ')}:${operandAction(synopsis)}`)]),
  ];
  const operandAction = ({ operands }: Synopsis) => {
    const kinds = operands.map(kindOf);
    if (kinds.includes('file') && kinds.includes('address'))
      return '_alternative "f::_files" "a::_sealdir_addresses"';
    return action[kinds[0] ?? 'word'];
  };
  const described = synopses().map(({ name, doc }) => ({ name, doc: doc.replaceAll(':', ' ') }));
  const list = (prefix: string) =>
    described
      .filter(({ name }) => name.startsWith(prefix) && !name.slice(prefix.length).includes(' '))
      .map(({ name, doc }) => `    ${quote(`${name.slice(prefix.length)}:${doc}`)}`)
      .join('\n');
  const groups = [...second.keys()];
  return `#compdef sealdir
${HEAD}
_sealdir_addresses() {
  local -a addresses
  addresses=(${KEYS}/*@*.(asc|pgp)(N:t:r))
  compadd -a addresses
}

_sealdir() {
  local -a commands ${groups.map((group) => `${group}_commands`).join(' ')}
  commands=(
${list('')}
${groups.map((group) => `    '${group}:more commands'`).join('\n')}
  )
${groups.map((group) => `  ${group}_commands=(\n${list(`${group} `)}\n  )`).join('\n')}
  if (( CURRENT == 2 )); then
    _describe command commands
    return
  fi
  local name=$words[2]
${groups.map((group) => `  if [[ $name = ${group} ]]; then\n    if (( CURRENT == 3 )); then\n      _describe command ${group}_commands\n      return\n    fi\n    name="$name $words[3]"\n    shift words\n    (( CURRENT-- ))\n  fi`).join('\n')}
  shift words
  (( CURRENT-- ))
  case $name in
${synopses()
  .map((synopsis) => `    '${synopsis.name}') _arguments ${specs(synopsis).join(' ')} ;;`)
  .join('\n')}
  esac
}

_sealdir "$@"
`;
}
