"""Networks: an encoder and a decoder that fit together (aeexp.networks.base)."""
