/** Writes what makes fish complete the command line. */
import { HEAD, KEYS, type Kind, kindOf, words } from './completion.ts';
import { OPTIONS, synopses } from './synopsis.ts';

export function fishCompletion(): string {
  const { second } = words();
  const quote = (text: string) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
  const lines = synopses().flatMap((synopsis) => {
    const [first = '', word] = synopsis.name.split(' ');
    const chosen =
      word === undefined
        ? `__fish_seen_subcommand_from ${first}`
        : `__fish_seen_subcommand_from ${first}; and __fish_seen_subcommand_from ${word}`;
    const offered =
      word === undefined
        ? '__fish_use_subcommand'
        : `__fish_seen_subcommand_from ${first}; and not __fish_seen_subcommand_from ${second.get(first)?.join(' ')}`;
    const options = synopsis.options.map((option) => {
      const { long = option, value, doc = '' } = OPTIONS[option] ?? {};
      const short = option === long ? '' : ` -s ${option.slice(1)}`;
      const kind = value === undefined ? undefined : kindOf(value);
      return `complete -c sealdir -n ${quote(chosen)}${short} -l ${long.slice(2)}${fishValue(kind)} -d ${quote(doc)}`;
    });
    const kinds = synopsis.operands.map(kindOf);
    return [
      `complete -c sealdir -f -n ${quote(offered)} -a ${word ?? first} -d ${quote(synopsis.doc)}`,
      ...options,
      ...(kinds.includes('file') ? [`complete -c sealdir -F -n ${quote(chosen)}`] : []),
      ...(kinds.includes('address')
        ? [`complete -c sealdir -n ${quote(chosen)} -a '(__sealdir_addresses)'`]
        : []),
    ];
  });
  const groups = [...second.keys()].map(
    (group) => `complete -c sealdir -f -n __fish_use_subcommand -a ${group} -d 'more commands'`,
  );
  return `${HEAD}
function __sealdir_addresses
    for file in ${KEYS}/*@*.asc ${KEYS}/*@*.pgp
        string replace -r '.*/(.*)\\.(asc|pgp)$' '$1' -- $file
    end
end

complete -c sealdir -f
${[...lines, ...groups].join('\n')}
complete -c sealdir -n __fish_use_subcommand -l version -d 'Prints the version'
`;
}

function fishValue(kind: Kind | undefined): string {
  const values: Record<Kind, string> = {
    file: ' -r -F',
    directory: " -x -a '(__fish_complete_directories)'",
    address: " -x -a '(__sealdir_addresses)'",
    word: ' -x',
  };
  return kind === undefined ? '' : values[kind];
}
