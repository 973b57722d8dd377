"""The help of the command line, read off the configs: the groups with their options, and the keys of a program."""

import re
import shutil
import textwrap

from aeexp.app.packages import folders, options
from aeexp.app.words import NUMBERS

GROUP = re.compile(r"^  - (\w+): (.*?)\s+# (.*)$", re.M)  # of the defaults list: name, default, meaning
KEY = re.compile(r"^(\w+): (.*?)\s+# (.*)$", re.M)


def overview(commands: dict[str, str]) -> str:
    """What `aeexp --help` shows."""
    rows = [f"  aeexp {name:10} {meaning}" for name, meaning in commands.items()]
    examples = [
        "  aeexp train model=vae data=digits bottleneck=10",
        "  aeexp train -m model=vae,pca bottleneck=2,8 seed=0,1,2",
        "  aeexp <command> --help",
    ]
    return "\n".join(
        ["Commands:", *rows, "", "Examples:", *examples, "", "Groups of `train` (group=option):", *groups()]
    )


def of_program(name: str) -> str:
    """What `aeexp train --help` and `aeexp evaluate --help` show."""
    text = (folders()[0] / f"{name}.yaml").read_text("utf-8")
    keys = [_row(f"{key}={value}", meaning) for key, value, meaning in KEY.findall(text)]
    shown = groups() if name == "train" else _wrapped("evaluation", sorted(options("evaluation")))
    usage = f"aeexp {name} [-m] group=option key=value ..." if name == "train" else f"aeexp {name} run=FOLDER ..."
    more = ["", "-m (or several values, with commas) is a sweep. Every key: aeexp train --cfg job"]
    return "\n".join([usage, "", "Groups:", *shown, "", "Keys:", *keys, *(more if name == "train" else [])])


def groups() -> list[str]:
    """Each group with its default, its meaning and its options."""
    text = (folders()[0] / "train.yaml").read_text("utf-8")
    lines = []
    for name, default, meaning in GROUP.findall(text):
        lines.append(_row(f"{name}={default.strip(chr(34))}", meaning))
        lines += [f"    {line}" for line in _listed(name)]
    return lines


def _listed(group: str) -> list[str]:
    if group in NUMBERS:
        return [NUMBERS[group]]
    return textwrap.wrap(" ".join(sorted(options(group))), max(40, min(shutil.get_terminal_size().columns, 120)) - 4)


def _wrapped(group: str, names: list[str]) -> list[str]:
    return [f"  {group}=[...]", *(f"    {line}" for line in textwrap.wrap(" ".join(names), 100))]


def _row(words: str, meaning: str) -> str:
    return f"  {words:32} {meaning}"
