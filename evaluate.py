"""Measure finished runs:  python evaluate.py run=runs/code_size evaluation=[reconstruction,linear_probe]"""

from aeexp.app.programs import evaluate

if __name__ == "__main__":
    evaluate()
