/** `sluice completion`: a shell function `sluice`, with completion of its arguments. */
import { join, resolve } from 'node:path';
import { print } from '../stage/terminal.ts';
import { type Command, type Entry, quoted } from './usage.ts';

const help = `Usage: npm run -s sluice -- completion

Prints a function "sluice" for bash or zsh, which runs from any folder and completes commands, options and files.

Example:
  source <(npm run -s sluice -- completion)
  sluice validate datasets/*.yml`;

/** The command, which completes the names and options of all `commands`. */
export const completionOf = (commands: Readonly<Record<string, Entry>>): Command => ({
  help,
  run: () => printFunction(commands),
});

async function printFunction(commands: Readonly<Record<string, Entry>>): Promise<number> {
  const root = resolve(import.meta.dirname, '../..');
  const loaded = await Promise.all(
    Object.entries(commands).map(async ([name, { load }]) => ({ name, ...(await load()) })),
  );
  const options = loaded.map(
    (command) => `    ${command.name}) words='${[...optionsOf(command.help), '--help'].join(' ')}' ;;`,
  );
  const values = loaded.flatMap(({ name, values: of = {} }) =>
    Object.entries(of).map(([option, words]) => `    '${name} ${option}') values='${words.join(' ')}' ;;`),
  );
  print(`sluice() { node ${quoted(`${root}/scripts/bootstrap.mjs`)} src/cli/sluice.ts "$@"; }
if [ -n "$ZSH_VERSION" ]; then autoload -U +X bashcompinit && bashcompinit; fi
_sluice() {
  local words current="\${COMP_WORDS[COMP_CWORD]}"
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '${Object.keys(commands).join(' ')} --help' -- "$current"))
    return
  fi
  case "\${COMP_WORDS[COMP_CWORD-1]}" in
    --dataset) COMPREPLY=($(compgen -W "$(cd ${quoted(join(root, 'datasets'))} && ls *.yml | sed 's/\\.yml$//')" -- "$current")); return ;;
  esac
  local values=''
  case "\${COMP_WORDS[1]} \${COMP_WORDS[COMP_CWORD-1]}" in
${values.filter((line) => !line.includes(" ')")).join('\n')}
  esac
  if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current")); return; fi
  case "\${COMP_WORDS[1]} " in
${values.filter((line) => line.includes(" ')")).join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${options.join('\n')}
    *) return ;;
  esac
  case "$current" in
    -*) COMPREPLY=($(compgen -W "$words" -- "$current")) ;;
    *) if [ -n "$values" ]; then COMPREPLY=($(compgen -W "$values" -- "$current")); return; fi
      COMPREPLY=($(compgen -f -- "$current")) ;;
  esac
}
complete -o filenames -F _sluice sluice`);
  return 0;
}

/** The options in a help text, each at the beginning of a line. Options in examples do not count. */
const optionsOf = (help: string): string[] =>
  [...help.matchAll(/^ {2}(--[a-z][a-zA-Z-]*)/gm)].map(([, option]) => option ?? '');
