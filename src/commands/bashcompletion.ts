/** Writes what makes bash complete the command line. */
import { HEAD, KEYS, type Kind, kindOf, words } from './completion.ts';
import { OPTIONS, type Synopsis, synopses } from './synopsis.ts';

/** Both spellings of the options of a command. */
function spellings({ options }: Synopsis): string[] {
  return options.flatMap((option) => [...new Set([option, OPTIONS[option]?.long ?? option])]);
}

/** All spellings of the options that have a value of a kind. */
function withValue(kind: Kind): string[] {
  return Object.entries(OPTIONS).flatMap(([option, { long, value }]) =>
    value !== undefined && kindOf(value) === kind ? [...new Set([option, long])] : [],
  );
}

export function bashCompletion(): string {
  const { first, second } = words();
  const offer = (list: readonly string[]) =>
    `mapfile -t COMPREPLY < <(compgen -W '${list.join(' ')}' -- "$word")`;
  const groups = [...second].map(
    ([group, list]) => `
  if [ "$COMP_CWORD" -eq 2 ] && [ "$command" = ${group} ]; then
    ${offer(list)}
    return
  fi`,
  );
  const commands = synopses().map((synopsis) => {
    const kinds = synopsis.operands.map(kindOf);
    const operand = kinds.includes('file') ? 'files' : kinds.includes('address') ? 'addresses' : ':';
    return `    '${synopsis.name}')
      options='${spellings(synopsis).join(' ')}'
      operands=${kinds.includes('file') && kinds.includes('address') ? 'both' : operand}
      ;;`;
  });
  return `${HEAD}# shellcheck shell=bash
_sealdir() {
  local word=\${COMP_WORDS[COMP_CWORD]} previous=\${COMP_WORDS[COMP_CWORD - 1]}
  local command=\${COMP_WORDS[1]-} options='' operands=:
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    ${offer(first)}
    return
  fi${groups.join('')}
  case $previous in
    ${withValue('file').join(' | ')})
      _sealdir_files
      return
      ;;
    ${withValue('directory').join(' | ')})
      _sealdir_directories
      return
      ;;
    ${withValue('address').join(' | ')})
      _sealdir_addresses
      return
      ;;
    ${withValue('word').join(' | ')}) return ;;
  esac
  case $command in
    ${[...second.keys()].join(' | ')}) command="$command \${COMP_WORDS[2]-}" ;;
  esac
  case $command in
${commands.join('\n')}
  esac
  case $word in
    -*) mapfile -t COMPREPLY < <(compgen -W "$options" -- "$word") ;;
    *) [ "$operands" = : ] || "_sealdir_$operands" ;;
  esac
}

_sealdir_files() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -f -- "$word")
}

_sealdir_directories() {
  compopt -o filenames
  mapfile -t COMPREPLY < <(compgen -d -- "$word")
}

# The recipients that have a key file.
_sealdir_addresses() {
  local file
  for file in ${KEYS}/*@*.{asc,pgp}; do
    file=\${file##*/}
    file=\${file%.*}
    case $file in
      '*@*') ;;
      "$word"*) COMPREPLY+=("$file") ;;
    esac
  done
}

_sealdir_both() {
  local addresses
  _sealdir_addresses
  addresses=("\${COMPREPLY[@]}")
  _sealdir_files
  COMPREPLY+=("\${addresses[@]}")
}

complete -F _sealdir sealdir
`;
}
