"""Pure functions to a matplotlib Figure, in one style and one palette."""
