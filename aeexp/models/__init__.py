"""The catalogue: one file for each objective. A kind that is only a choice of parts is a config alone."""
