"""The command line:  aeexp train model=vae data=digits    aeexp evaluate run=runs/single/...    aeexp --help"""

import io
import sys
from importlib import import_module

import aeexp

COMMANDS = {  # each imports only what it needs: the help and the reports need no torch
    "train": ("aeexp.app.programs", "train", "one run, or a sweep of them; the same program as train.py"),
    "evaluate": ("aeexp.app.programs", "evaluate", "measure finished runs; the same program as evaluate.py"),
    "report": ("aeexp.report.__main__", "main", "the table of a folder of runs, from disk"),
    "runs": ("aeexp.report.listing", "main", "list, compare and delete runs, from disk"),
    "table": ("aeexp.app.tables", "main", "list the tables, their runs and what they cost"),
    "export": ("aeexp.api.export", "main", "a finished run as ONNX"),
    "completion": ("aeexp.app.completion", "main", "completion of words in bash: source <(aeexp completion)"),
}


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
