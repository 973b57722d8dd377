"""Measure finished runs:  python evaluate.py run=runs/code_size evaluation=[reconstruction,linear_probe]"""

from aeexp.__main__ import run

if __name__ == "__main__":
    run("evaluate")
