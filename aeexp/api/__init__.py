"""What a notebook uses: a loaded run, the scikit-learn estimator, the export."""
