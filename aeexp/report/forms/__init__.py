"""The forms of a table: Markdown, LaTeX, CSV."""

from aeexp.report.forms.csv_ import tidy_csv, wide_csv
from aeexp.report.forms.latex import latex
from aeexp.report.forms.markdown import markdown

__all__ = ["latex", "markdown", "tidy_csv", "wide_csv"]
