"""Uniform quantization and code lengths against entropies that can be worked out."""

import numpy as np
import pytest
import torch

from aeexp.metrics.quantization import centroids, code_length, lossless_bits, quantize


def gaussian(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_symbols_are_intervals_and_stand_for_the_mean_of_what_is_there():
    z = torch.tensor([[0.0], [0.1], [0.2], [0.9], [1.0]])
    known = quantize(z, z, 2)
    assert known.flatten().tolist() == [0, 0, 0, 3, 3]
    assert centroids(known, z, 2).flatten().tolist() == pytest.approx([0.1, 0.375, 0.625, 0.95])
    assert quantize(torch.tensor([[-5.0], [7.0], [0.5]]), z, 2).flatten().tolist() == [0, 3, 2]


def test_the_length_of_uniform_symbols_is_their_bits_and_of_certain_ones_next_to_none():
    even = torch.arange(8).repeat(1000)[:, None].expand(-1, 3)
    assert code_length(even, even[:100], 8) == pytest.approx(9, rel=1e-6)
    certain = torch.zeros(10_000, 3, dtype=torch.int64)
    assert code_length(certain, certain[:100], 2) == pytest.approx(0, abs=1e-3)
    skewed = torch.cat([torch.zeros(7500), torch.ones(2500)])[:, None].long()
    assert code_length(skewed, skewed, 2) == pytest.approx(-0.75 * np.log2(0.75) + 0.25 * 2, abs=1e-3)


def test_lossless_bits_of_real_binary_and_vector_quantized_codes():
    def bits(n, seed):
        return torch.randint(2, (n, 4), generator=torch.Generator().manual_seed(seed)).float()

    assert lossless_bits(gaussian(500, 4), gaussian(50, 4, seed=1)) == 4 * 32
    assert lossless_bits(bits(5000, 0), bits(500, 1)) == pytest.approx(4, abs=0.05)
    chosen = torch.randint(16, (5500, 3), generator=torch.Generator().manual_seed(2))
    assert lossless_bits(chosen[:5000], chosen[5000:]) == pytest.approx(3 * 4, abs=0.1)
