"""aeexp completion: what bash needs to complete the words of a command line, by Hydra's own completion."""

import argparse

from aeexp.app.commands import COMMANDS

BASH = """_aeexp() {
    local command="${COMP_WORDS[1]}" line found=
    if ((COMP_CWORD == 1)); then
        found="%s"
    elif [[ $command == train || $command == evaluate ]]; then
        line="aeexp ${COMP_LINE#* "$command"}"  # Hydra completes what follows a program's name
        found=$(COMP_LINE="$line" COMP_POINT=${#line} aeexp "$command" -sc query=bash 2> /dev/null)
    fi
    COMPREPLY=($(compgen -W "$found" -- "${COMP_WORDS[COMP_CWORD]}"))
}
COMP_WORDBREAKS=${COMP_WORDBREAKS//=}
complete -o nospace -o default -F _aeexp aeexp"""


def main() -> None:
    about = "What bash needs to complete the words of a command line:  source <(aeexp completion)"
    argparse.ArgumentParser("aeexp completion", description=about).parse_args()
    print(BASH % " ".join(COMMANDS))
