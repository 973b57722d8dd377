"""Trunks: `encoder(shape)`, a module with `.out_features`, and `decoder(in_features, shape)`."""
