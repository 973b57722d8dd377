"""The catalogue: one file for each objective. A model that is only a choice of components is a config alone."""
