"""Data in memory as bytes, sliced a whole batch at a time."""
