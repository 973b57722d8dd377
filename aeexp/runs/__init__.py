"""The run directory as an artifact: identity, status, results, collection. Needs neither torch nor Hydra."""
