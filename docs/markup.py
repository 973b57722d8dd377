"""Markdown, as the generated pages are made of it."""

from collections.abc import Iterable

NOTE = "Generated from the YAML files by `make docs`."


def page(title: str, about: str) -> str:
    """How a generated page opens."""
    return f"# {title}\n\n{about} {NOTE}"


def table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    """A table; columns in which no row says anything are left out."""
    kept = [n for n in range(len(head)) if any(row[n] for row in rows)]
    escaped = [[row[n].replace("|", "\\|") for n in kept] for row in rows]
    lines = [[head[n] for n in kept], ["---"] * len(kept), *escaped]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def words(each: Iterable[str]) -> str:
    """As code, with commas."""
    return ", ".join(f"`{word}`" for word in each)


def text(content: str) -> str:
    """As it stands."""
    return f"```text\n{content}\n```"


def joined(parts: list[str]) -> str:
    """Paragraphs, and the end of the file."""
    return "\n\n".join(parts) + "\n"
