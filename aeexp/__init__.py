"""Config-driven experiments with autoencoders."""
