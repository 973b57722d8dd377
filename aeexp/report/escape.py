"""Text from a run, which somebody else may have written, as text in Markdown, LaTeX, CSV and on a terminal."""

import re
import unicodedata

LATEX = {
    **{character: f"\\{character}" for character in "_%#&${}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "†": r"$^\dagger$",
    "—": "--",
    "−": r"$-$",
    "–": "--",
    "’": "'",
    "“": "``",
    "”": "''",
    "×": r"$\times$",
    "·": r"$\cdot$",
}
# the Greek capitals that LaTeX has; the others look like Latin ones
CAPITALS = ["gamma", "delta", "theta", "lambda", "xi", "pi", "sigma", "upsilon", "phi", "psi", "omega"]
HIDDEN = ("Cc", "Cf", "Cs", "Co")  # control, format, surrogate and private characters
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet runs a cell that begins with one of these
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?|[+-]?(nan|inf|infinity)", re.I)


def printable(text: str) -> str:
    """Without control characters and marks of direction, which a terminal obeys; lines are kept."""
    return "".join("\ufffd" if unicodedata.category(c) in HIDDEN and c != "\n" else c for c in text)


def markdown(text: str) -> str:
    """In a cell of a table or a line of text: no HTML, no link, no emphasis, no line of its own."""
    text = " ".join(printable(text).split())
    return re.sub(r"([\\|`*]|\](?=\())", r"\\\1", text).replace("&", "&amp;").replace("<", "&lt;")


def latex(text: str) -> str:
    """For pdflatex with its usual encoding; what it has no glyph for becomes a question mark."""
    return "".join(_latex(character) for character in " ".join(printable(text).split()))


def _latex(character: str) -> str:
    if character in LATEX:
        return LATEX[character]
    if character.isascii():
        return character
    name = unicodedata.name(character, "")
    if match := re.fullmatch(r"GREEK (SMALL|CAPITAL) LETTER (?:FINAL )?(\w+)", name):
        letter = match[2].lower().replace("lamda", "lambda")
        if letter == "omicron" or (match[1] == "CAPITAL" and letter not in CAPITALS):
            return letter[0].upper() if match[1] == "CAPITAL" else "o"  # as in Latin
        return f"$\\{letter.title() if match[1] == 'CAPITAL' else letter}$"
    latin = name.startswith("LATIN ") and ord(character) < 0x180
    return character if latin else "?"


def csv(value: object) -> object:
    """A cell that no spreadsheet takes for a formula: text that begins as one has an apostrophe before it."""
    if isinstance(value, str) and value.startswith((*FORMULA, "'")) and not NUMBER.fullmatch(value):
        return f"'{value}"
    return value


def from_csv(text: str) -> str:
    return text[1:] if text.startswith("'") else text
