# Generated from the commands of the program: npm run documents
# shellcheck shell=bash
_sealdir() {
  local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}
  local command=${COMP_WORDS[1]-} options='' operands=:
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    mapfile -t COMPREPLY < <(compgen -W 'serve seal deliver open migrate reseal lookup owners gateway bridge check tls-report key enroll slots recover dns --version --help' -- "$word")
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ "$command" = key ]; then
    mapfile -t COMPREPLY < <(compgen -W 'list show add remove log generate export' -- "$word")
    return
  fi
  if [ "$COMP_CWORD" -eq 2 ] && [ "$command" = slots ]; then
    mapfile -t COMPREPLY < <(compgen -W 'list add change revoke import export' -- "$word")
    return
  fi
  case $previous in
    -c | --config | -k | --key | --passphrase-file | --ca | --log | --file | --password-file | --new-password-file | --certificate | --next | --dkim)
      _sealdir_files
      return
      ;;
    --output | --into | --wkd)
      _sealdir_directories
      return
      ;;
    -r | --recipient | --as | --listen | --mailbox)
      _sealdir_addresses
      return
      ;;
    -f | --sender | -a | --detail | --name | --expires | --passphrase-fd | --to | --folder | --index | --limit | --device | --label | --slot | --password-fd | --new-password-fd | --head | --host | --ip | --rua | --resolver) return ;;
  esac
  case $command in
    key | slots) command="$command ${COMP_WORDS[2]-}" ;;
  esac
  case $command in
    'serve')
      options='-c --config'
      operands=:
      ;;
    'seal')
      options='-c --config --verbose -r --recipient -k --key'
      operands=:
      ;;
    'deliver')
      options='-c --config --verbose -f --sender -a --detail'
      operands=addresses
      ;;
    'open')
      options='--agent -k --key --passphrase-file --original --into'
      operands=files
      ;;
    'migrate')
      options='-c --config --mailbox --all --folder --index --limit --dry-run --json'
      operands=:
      ;;
    'reseal')
      options='--passphrase-file --index --limit --dry-run --json -k --key --to'
      operands=:
      ;;
    'lookup')
      options='-c --config'
      operands=addresses
      ;;
    'owners')
      options='-c --config'
      operands=:
      ;;
    'gateway')
      options='-c --config'
      operands=:
      ;;
    'bridge')
      options='-k --key --passphrase-file --agent -k --key --listen --ca'
      operands=:
      ;;
    'check')
      options='-c --config --json'
      operands=:
      ;;
    'tls-report')
      options='-c --config --json --log'
      operands=:
      ;;
    'key list')
      options='-c --config --json'
      operands=addresses
      ;;
    'key show')
      options='-c --config'
      operands=both
      ;;
    'key add')
      options='-c --config --as --yes'
      operands=files
      ;;
    'key remove')
      options='-c --config --yes'
      operands=addresses
      ;;
    'key log')
      options='-c --config --json --verify --head'
      operands=addresses
      ;;
    'key generate')
      options='--name --output --expires --passphrase-file --passphrase-fd --no-passphrase'
      operands=addresses
      ;;
    'key export')
      options='-c --config --wkd --direct'
      operands=addresses
      ;;
    'enroll')
      options='-k --key --passphrase-file --passphrase-fd --name --expires --device --password --new-password-file --new-password-fd --into --print-codes --yes'
      operands=addresses
      ;;
    'slots list')
      options='-c --config --file --json --dovecot'
      operands=addresses
      ;;
    'slots add')
      options='-c --config --file --device --recovery --password --label --print-codes --password-file --password-fd --new-password-file --new-password-fd'
      operands=addresses
      ;;
    'slots change')
      options='-c --config --file --slot --print-codes --password-file --password-fd --new-password-file --new-password-fd'
      operands=addresses
      ;;
    'slots revoke')
      options='-c --config --file --force'
      operands=addresses
      ;;
    'slots import')
      options='-c --config --yes'
      operands=files
      ;;
    'slots export')
      options='-c --config'
      operands=addresses
      ;;
    'recover')
      options='--password-file --password-fd --no-passphrase --into'
      operands=files
      ;;
    'dns')
      options='-c --config --host --ip --certificate --next --dkim --rua --policy --check --resolver'
      operands=:
      ;;
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
  for file in /etc/sealdir/keys/*@*.{asc,pgp}; do
    file=${file##*/}
    file=${file%.*}
    case $file in
      '*@*') ;;
      "$word"*) COMPREPLY+=("$file") ;;
    esac
  done
}

_sealdir_both() {
  local addresses
  _sealdir_addresses
  addresses=("${COMPREPLY[@]}")
  _sealdir_files
  COMPREPLY+=("${addresses[@]}")
}

complete -F _sealdir sealdir
