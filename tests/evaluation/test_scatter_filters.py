"""Where codes lie, and what the first layer looks for: read back from what was drawn."""

import numpy as np
import pytest
import torch
from oracles import PIXELS, SHAPE, Oracle, close, context, drawn, split
from sklearn.decomposition import PCA
from torch import nn

from aeexp.errors import NotApplicable, UserError
from aeexp.evaluation.filters import Filters
from aeexp.evaluation.scatter import Scatter
from aeexp.plots.palette import colour


class TestScatter:
    def figure(self, model=None, examples=100, seed=0, **data):
        protocol = Scatter(examples=examples, perplexity=10.0, seed=seed)
        return protocol(context(model or Oracle(), n=120, **data)).figures["scatter"]

    def test_points_are_the_principal_components_in_the_colour_of_their_class(self):
        figure = self.figure(examples=500)
        asked = context(Oracle(), n=120)
        z, y = asked.codes(asked.data.test).numpy(), asked.data.test.y
        expected = np.abs(PCA(2).fit_transform(z))
        for label, points in enumerate(figure.axes[0].collections):
            found = np.abs(points.get_offsets())  # the sign of a component is free
            assert np.allclose(sorted(found.tolist()), sorted(expected[y == label].tolist()), atol=1e-4)
        faces = [tuple(points.get_facecolor()[0]) for points in figure.axes[0].collections]
        assert len({*faces}) == 3 and faces == [tuple(p.get_facecolor()[0]) for p in figure.axes[1].collections]
        assert [text.get_text() for text in figure.legends[0].get_texts()] == ["0", "1", "2"]

    def test_it_draws_no_more_than_it_is_asked_for_the_same_ones_again_and_others_by_another_seed(self):
        def places(seed, chart):
            collections = self.figure(Oracle(1), examples=30, seed=seed).axes[chart].collections
            return np.concatenate([points.get_offsets() for points in collections])

        assert len(places(0, 0)) == 30
        assert np.array_equal(places(0, 1), places(0, 1))  # of one unit, where t-SNE starts at random
        assert {*places(0, 0)[:, 0]} != {*places(1, 0)[:, 0]}

    @pytest.mark.parametrize("wide", [1, 2])
    def test_a_narrow_code_is_drawn_as_it_is(self, wide):
        figure = self.figure(Oracle(wide))
        z = split(120, 2).x.flatten(1)[:, 0]
        found = torch.as_tensor(np.concatenate([p.get_offsets()[:, 0] for p in figure.axes[0].collections]))
        assert {round(v, 5) for v in found.tolist()} <= {round(v, 5) for v in z.tolist()} and len(found) == 100
        if wide == 1:
            for label, points in enumerate(figure.axes[0].collections):
                assert np.abs(points.get_offsets()[:, 1] - label).max() < 0.5

    def test_without_labels_all_have_the_colour_of_the_kind_and_there_is_no_legend(self):
        figure = self.figure(classes=0)
        assert figure.axes[0].collections[0].get_facecolor()[0, :3] == pytest.approx(colour("vae"))
        assert figure.legends == []

    def test_forty_classes_have_forty_colours_and_fifty_no_legend(self):
        figure = self.figure(examples=120, classes=40)
        assert len({tuple(p.get_facecolor()[0]) for p in figure.axes[0].collections}) == 40
        assert len(figure.legends[0].get_texts()) == 40
        assert self.figure(examples=120, classes=50).legends == []

    def test_codes_that_are_all_the_same_are_refused(self):
        still = context(Oracle())
        still.data.test.x.zero_()
        with pytest.raises(NotApplicable, match="choose"):
            Scatter(examples=50, perplexity=10.0, seed=0)(still)
        with pytest.raises(UserError, match="choose"):
            Scatter(examples=2, perplexity=10.0, seed=0)


class Layered(Oracle):
    """What reads the pixels is a layer, called after others are made."""

    def __init__(self, *layers):
        super().__init__()
        self.later, self.layers = nn.Linear(PIXELS, PIXELS), nn.Sequential(*layers)
        self.register_buffer("W", torch.rand(5, PIXELS))  # which reads no pixels

    def encode(self, x, y=None):
        self.layers(x)
        return super().encode(self.later(x.flatten(1)))


class TestFilters:
    def shown(self, model, columns=5, filters=20):
        return Filters(filters=filters, columns=columns)(context(model)).figures["filters"]

    def test_they_are_the_rows_of_the_first_layer_that_is_called_the_largest_first_and_grey_is_0(self):
        layer = nn.Linear(PIXELS, 10)
        with torch.no_grad():
            layer.weight[4] = 0
            layer.weight[5, 0] = -1  # the largest is negative
        cells = drawn(self.shown(Layered(nn.Flatten(), layer)), 5).flatten(0, 1)
        w = layer.weight.detach()[layer.weight.norm(dim=1).argsort(descending=True)]
        close(cells, 0.5 + 0.5 * w.unflatten(1, SHAPE)[:, 0] / w.abs().max())
        close(cells[-1], torch.full((8, 8), 0.5))

    def test_kernels_and_patches_are_small_images_of_the_channels(self):
        figure = self.shown(Layered(nn.Conv2d(1, 10, 3)))
        assert drawn(figure, 5).shape == (2, 5, 3, 3)
        patches = Layered(nn.Flatten(), nn.Unflatten(1, (4, 16)), nn.Linear(16, 10))
        assert drawn(self.shown(patches), 5).shape == (2, 5, 4, 4)

    def test_a_kind_that_is_one_matrix_shows_it(self):
        model = Oracle()
        model.register_buffer("W", torch.rand(5, PIXELS))
        w = model.W[model.W.norm(dim=1).argsort(descending=True)]
        close(drawn(self.shown(model), 5)[0], 0.5 + 0.5 * w.unflatten(1, SHAPE)[:, 0] / w.max())

    @pytest.mark.parametrize(
        "model",
        [Oracle(), Layered(nn.Flatten(), nn.LSTM(PIXELS, 4)), Layered(nn.Unflatten(3, (4, 2)), nn.Linear(2, 3))],
        ids=["none", "lstm", "pairs"],
    )
    def test_what_has_no_such_layer_is_refused(self, model):
        with pytest.raises(NotApplicable, match="choose a model with network=mlp"):
            self.shown(model)
        hooks = [hook for module in model.modules() for hook in module._forward_pre_hooks]
        assert hooks == []
