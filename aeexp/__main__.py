"""The command line:  aeexp train model=vae data=digits    aeexp evaluate run=runs/single/...    aeexp --help"""

import sys
from importlib import import_module

from aeexp import __version__

COMMANDS = {  # each imports only what it needs: the help and the reports need no torch
    "train": ("aeexp.app.programs", "train", "one run, or a sweep of them; the same program as train.py"),
    "evaluate": ("aeexp.app.programs", "evaluate", "measure finished runs; the same program as evaluate.py"),
    "report": ("aeexp.report.__main__", "main", "the table of a folder of runs, from disk"),
    "export": ("aeexp.api.export", "main", "a finished run as ONNX"),
}


def main() -> None:
    """Runs the command that the first word names."""
    command, *words = sys.argv[1:] or ["--help"]
    if command == "--version":
        print(f"aeexp {__version__}")
    elif command in ("--help", "-h", "help"):
        from aeexp.app.help import overview

        print(overview({name: meaning for name, (_, _, meaning) in COMMANDS.items()}))
    elif command in COMMANDS:
        module, function, _ = COMMANDS[command]
        sys.argv = [f"aeexp {command}", *words]
        getattr(import_module(module), function)()
    else:
        sys.exit(f"error: {command} is no command of aeexp: choose one of {', '.join(COMMANDS)}, or --help")


if __name__ == "__main__":
    main()
