"""Measure finished runs:  python evaluate.py run=runs/code_size evaluation=[reconstruction,linear_probe]"""

import hydra
from omegaconf import DictConfig

from aeexp.app import cli


@hydra.main(version_base="1.3", config_path="configs", config_name="evaluate")
def main(config: DictConfig) -> None:
    cli.evaluate(config)


if __name__ == "__main__":
    cli.launch_evaluation(main)
