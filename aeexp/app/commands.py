"""The commands of `aeexp`: the module and the function of each, and what it is for."""

COMMANDS = {  # each imports only what it needs: the help and the reports need no torch
    "train": ("aeexp.app.programs", "train", "one run, or a sweep of them; the same program as train.py"),
    "evaluate": ("aeexp.app.programs", "evaluate", "measure finished runs; the same program as evaluate.py"),
    "report": ("aeexp.report.__main__", "main", "the table of a folder of runs, from disk"),
    "runs": ("aeexp.report.listing", "main", "list, compare and delete runs, from disk"),
    "table": ("aeexp.app.tables", "main", "list the tables, their runs and what they cost"),
    "export": ("aeexp.api.export", "main", "a finished run as ONNX"),
    "completion": ("aeexp.app.completion", "main", "completion of words in bash: source <(aeexp completion)"),
}
