"""The house's look, and sounds: read back from what was drawn or written."""

import io
import wave

import matplotlib
import numpy as np
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from oracles import PIXELS, Oracle, close, context, drawn, texts
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from aeexp.context.sounds import PAUSE, wav
from aeexp.corruptions import WhiteNoise
from aeexp.data.speech import RATE, LogMel, Raw, SpokenDigits
from aeexp.evaluation.extremes import Extremes
from aeexp.evaluation.restoration import Restoration
from aeexp.evaluation.scatter import Scatter
from aeexp.plots.grid import Row, as_pixels, grid, rows_of_images
from aeexp.plots.scatter import Projection, scatter
from aeexp.plots.style import COLUMN, three_digits


def random(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


class TestGrid:
    @pytest.mark.parametrize("n", [1, 3, 10, 24])
    def test_it_is_a_column_wide_at_most_and_all_of_it_is_in_the_picture(self, n):
        rows = [
            Row("a long name of a row", random(n, 1, 4, 6), [three_digits(0.001234)] * n * (n < 11)),
            Row("b", random(n, 1, 4, 6)),
        ]
        figure = grid([rows[:1], rows], 1.0, ["corner", *"x" * n])
        figure.canvas.draw()
        assert figure.get_size_inches()[0] <= COLUMN + 1e-6
        whole = figure.bbox
        for text in figure.axes[0].texts:
            box = text.get_window_extent()
            assert box.x0 >= whole.x0 and box.x1 <= whole.x1 + 2 and box.y0 >= whole.y0 and box.y1 <= whole.y1
        for image in figure.axes[0].images:
            left, right, bottom, top = image.get_extent()
            assert (bottom - top) / (right - left) == pytest.approx(4 / 6, rel=0.05)

    def test_cells_are_in_the_order_of_rows_and_columns_and_in_units_of_the_scale(self):
        x = random(2, 3, 1, 5, 5)
        figure = rows_of_images({"one": 255 * x[0], "two": 255 * x[1]}, 255.0)
        close(drawn(figure, 3), x[:, :, 0])
        assert texts(figure) == ["one", "two"]
        lefts, tops = zip(*((i.get_extent()[0], i.get_extent()[3]) for i in figure.axes[0].images), strict=True)
        assert lefts[0] < lefts[1] < lefts[2] and lefts[:3] == lefts[3:] and tops[0] < tops[3]

    @pytest.mark.parametrize(("channels", "seen"), [(1, (4, 5)), (2, (4, 5)), (3, (4, 5, 3)), (7, (4, 5))])
    def test_channels_are_grey_colours_or_their_mean(self, channels, seen):
        x = random(channels, 4, 5)
        assert as_pixels(x).shape == seen
        close(as_pixels(x), x.movedim(0, -1) if channels == 3 else x.mean(0))
        assert as_pixels(torch.full((1, 2, 2), torch.nan)).isfinite().all()

    @pytest.mark.parametrize("shape", [(20,), (20, 2), (1,)])
    def test_series_are_curves_on_one_scale_in_the_ink_of_their_row(self, shape):
        rows = [Row("here", random(3, *shape), ink=(1, 0, 0)), Row("there", 0.5 * random(3, *shape))]
        (axes,) = grid([rows], 1.0).axes
        curves = shape[1] if len(shape) > 1 else 1
        assert len(axes.lines) == 6 * curves and len(axes.images) == 0
        assert [line.get_color() == (1, 0, 0) for line in axes.lines] == [True] * 3 * curves + [False] * 3 * curves
        heights = [np.ptp(line.get_ydata()) for line in axes.lines]
        assert heights[3 * curves] == pytest.approx(0.5 * heights[0])
        (far,) = grid([[Row("", 5 + torch.arange(6.0).reshape(1, 6))]], 1.0).axes  # curves fill their cell
        y, cell = far.lines[0].get_ydata(), far.collections[0].get_datalim(far.transData)
        assert (y.min(), y.max()) == pytest.approx((cell.y0, cell.y1), abs=1e-4)

    @pytest.mark.parametrize(
        ("value", "text"), [(27.0, "27.0"), (0.76, "0.760"), (126.01, "126"), (-1.234, "−1.23"), (0.00733, "0.0073")]
    )
    def test_numbers_have_three_digits_or_as_many_as_there_is_room_for(self, value, text):
        assert three_digits(value) == text


def heard(content):
    with wave.open(io.BytesIO(content)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2") / (2**15 - 1), file.getframerate()


def test_a_sound_holds_the_examples_one_after_the_other_with_pauses_and_silence_in_the_middle():
    x = 255 * random(3, 40)
    sound, rate = heard(wav(x, 255.0, 80))
    one = 40 + round(PAUSE * 80)
    assert rate == 80 and len(sound) == 3 * one
    for number, example in enumerate(x):
        assert np.allclose(sound[number * one :][:40], 2 * example / 255 - 1, atol=1e-4)
        assert (sound[number * one + 40 : (number + 1) * one] == 0).all()
    loud, _ = heard(wav(torch.tensor([[-3.0, 9.0, torch.nan]]), 1.0, 80))
    assert loud[:3].tolist() == [-1, 1, 0]


def test_a_restoration_is_heard_where_the_data_are_sound_and_nowhere_else():
    asked = context(Oracle(gain=torch.zeros(PIXELS)), n=10)  # which says nothing
    protocol = Restoration(WhiteNoise(5.0, 1.0, True), {}, 100, 0)
    assert protocol(asked).sounds == {}
    asked.data.rate = 8000
    sounds, truth = protocol(asked).sounds, asked.data.test.x
    assert [*sounds] == ["restorations-input", "restorations-output", "restorations-truth"]
    assert sounds["restorations-output"] == wav(torch.zeros_like(truth), 1.0, 8000)
    assert sounds["restorations-truth"] == wav(truth, 1.0, 8000) != sounds["restorations-input"]
    assert sounds["restorations-input"] != sounds["restorations-output"]


def test_what_can_be_heard_are_samples_and_not_pictures_of_them():
    assert SpokenDigits("FSDD", Raw(100)).rate == RATE
    assert SpokenDigits("FSDD", LogMel(512, bands=8, hop=64, fft=128, decibels=60)).rate is None


def test_pictures_leave_the_settings_of_matplotlib_and_all_random_numbers_as_they_are():
    before = dict(matplotlib.rcParams), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()
    for protocol in (Extremes(2), Scatter(20, 5.0, 0), Restoration(WhiteNoise(5.0, 1.0, True), {}, 100, 0)):
        protocol(context(Oracle()))
    assert (dict(matplotlib.rcParams), torch.get_rng_state().tolist(), np.random.get_state()[1].tolist()) == before


@pytest.mark.slow
def test_a_run_on_recordings_leaves_sounds_beside_its_picture_and_in_tensorboard(program, tmp_path):
    recordings = tmp_path / "FSDD" / "recordings"
    recordings.mkdir(parents=True)
    for digit in range(4):
        for index in (0, 5, 6):
            noise = wav(random(1, 4096 + digit), 1.0, RATE)
            (recordings / f"{digit}_eva_{index}.wav").write_bytes(noise)
    words = ["model=pca", "bottleneck=2", "data=spoken_digits_raw", "corruption=white_noise", "data.val=2"]
    done = program(
        "train.py", *words, "evaluation=[restoration]", f"runs={tmp_path / 'runs'}", AEEXP_DATA=str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    (picture,) = (tmp_path / "runs").rglob("restorations.png")
    truth, rate = heard((picture.parent / "restorations-truth.wav").read_bytes())
    own, _ = heard((recordings / "0_eva_0.wav").read_bytes())
    assert rate == RATE and np.allclose(truth[:4096], own[:4096], atol=1e-3)
    shown = EventAccumulator(str(picture.parents[1])).Reload()
    (audio,) = shown.Audio("restoration/restorations-truth")
    assert audio.encoded_audio_string == (picture.parent / "restorations-truth.wav").read_bytes()


@pytest.mark.parametrize("longest", [1, 12, 60])
def test_the_names_of_classes_fit_into_the_column(longest):
    y = torch.arange(100) % 10
    points = [Projection("PCA", torch.randn(100, 2), [])]
    figure = scatter(points, y, "vae", lambda label: f"{label}" * longest)
    FigureCanvasAgg(figure).draw()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [f"{label}" * longest for label in range(10)]
