"""Statistics and tables from finished runs, from disk alone. Needs neither torch nor Hydra."""

from aeexp.report.sweep import announce, refresh, show_page

__all__ = ["announce", "refresh", "show_page"]
