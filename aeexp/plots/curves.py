"""Charts of one model: squared error by class, rate and distortion of a quantized code, importance-weighted bound."""

from collections.abc import Sequence

from matplotlib.figure import Figure

from aeexp.plots.palette import colour, marker
from aeexp.plots.style import GREY, SMALL, charts

LETTERS = 60  # of class names that stand beside one another


def error_by_class(errors: dict[str, float], mean: float, model: str) -> Figure:
    """The squared error of each class as a bar, and the mean of all examples as a line."""
    figure, (axes,) = charts(["squared error by class; line: the mean of all"], 1.6)
    axes.bar([*errors], [*errors.values()], color=colour(model))
    axes.axhline(mean, color=GREY, linewidth=0.8, linestyle="--")
    axes.set_xlabel("class")
    if sum(map(len, errors)) > LETTERS:
        axes.tick_params(axis="x", rotation=90)
    return figure


def rate_distortion(
    curve: dict[int, tuple[float, float]],
    unquantized: float,
    model: str,
    codecs: dict[str, list[tuple[float, float]]],
) -> Figure:
    """By the bits of a unit: the bits of an example and its squared error; a line at the error of the code as it is; in
    grey, the bits and errors of image codecs."""
    figure, (axes,) = charts([""], 2.2)
    bits, errors = zip(*curve.values(), strict=True)
    axes.axhline(unquantized, color=GREY, linewidth=0.8, linestyle="--", label="not quantized")
    axes.plot(bits, errors, marker=marker(model), markersize=3, linewidth=1, color=colour(model), label=model)
    for (name, points), look in zip(codecs.items(), ("-", ":", "."), strict=False):
        axes.plot(*zip(*points, strict=True), look, color=GREY, linewidth=0.8, label=name)
    last = -max(bits)
    for b, (x, y) in curve.items():
        if x - last > 0.03 * max(bits):  # one label where points lie on one another, as those of bits
            axes.annotate(str(b), (x, y), textcoords="offset points", xytext=(3, 3), fontsize=SMALL)
            last = x
    axes.set(xlabel="bits an example, entropy-coded (beside a point: bits a unit)", ylabel="squared error")
    widest = max([*bits, *(min(of_codec)[0] * 2 for of_codec in codecs.values())])
    axes.set(xlim=(0, 1.05 * widest), ylim=(0, 1.1 * max(*errors, unquantized) + 1e-9))
    axes.legend(fontsize=SMALL, frameon=False)
    return figure


def importance_bound(samples: Sequence[int], bounds: Sequence[float], model: str) -> Figure:
    """The bound on log p(x), nats, by the number of samples of each code."""
    figure, (axes,) = charts(["bound on log p(x)"], 2.2)
    axes.plot(samples, bounds, "-", marker=marker(model), color=colour(model), markersize=3, linewidth=1)
    axes.set(xscale="log", xlabel="samples of each code", ylabel="nats")
    return figure
