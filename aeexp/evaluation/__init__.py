"""Protocols: one file each. `protocol(context) -> Result`; what they share of a run, they ask of the context."""
