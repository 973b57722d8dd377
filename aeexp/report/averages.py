"""A last line of a table: the mean over all values of a key, as over the classes of one-class classification."""

from statistics import fmean

from aeexp.report.collect import Row

MEAN = "mean"


def averaged(rows: list[Row], expected: list[Row], keys: list[str], over: str) -> list[Row]:
    """Rows whose value of the key `over` is MEAN, one for each seed, metric and values of the other keys.

    A seed counts only where it has all values of `over` that the table has, so that means are of the same things.
    """
    values = {row[over] for row in [*rows, *expected]}
    same = [*(key for key in keys if key != over), "seed", "metric"]
    groups: dict[tuple[str, ...], dict[str, Row]] = {}
    for row in rows:
        if row["metric"] is not None:
            groups.setdefault(tuple(row[key] for key in same), {})[row[over]] = row
    return [
        {**next(iter(group.values())), over: MEAN, "value": fmean(row["value"] for row in group.values())}
        for group in groups.values()
        if group.keys() == values
    ]
