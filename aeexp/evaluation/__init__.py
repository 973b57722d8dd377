"""Protocols: one file each. `protocol(subject) -> Result`; what they share of a run, they ask of the subject."""
