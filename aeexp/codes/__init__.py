"""Bottlenecks: features (B, *positions, F) -> Code with D = `dim`. Each owns its projection (aeexp.codes.base)."""
