"""The command line:  aeexp train model=vae data=digits    aeexp evaluate run=runs/single/...    aeexp --help"""

import io
import sys
from importlib import import_module

import aeexp
from aeexp.app.commands import COMMANDS

INTERRUPTED = 130  # 128 + SIGINT, as a shell says it


def main() -> None:
    """Runs the command that the first word names."""
    command, *words = sys.argv[1:] or ["--help"]
    if command == "--version":
        print(f"aeexp {aeexp.__version__}")
    elif command in ("--help", "-h", "help"):
        from aeexp.app.help import overview

        print(overview({name: meaning for name, (_, _, meaning) in COMMANDS.items()}))
    elif command in COMMANDS:
        sys.argv = [f"aeexp {command}", *words]
        run(command)
    else:
        sys.exit(f"error: {command} is no command of aeexp: choose one of {', '.join(COMMANDS)}, or --help")


def run(command: str) -> None:
    """Runs one command with the words in sys.argv; Ctrl-C ends it with a sentence, also while it imports."""
    module, function, _ = COMMANDS[command]
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that has no ± shows a question mark
    try:
        getattr(import_module(module), function)()
    except KeyboardInterrupt as stop:
        kept = str(stop) or "what was finished is kept"
        print(f"\ninterrupted: {kept}, and the same command goes on", file=sys.stderr)
        sys.stdout.flush()
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    main()
