"""The two programs as Hydra runs them: train.py is `aeexp train`, evaluate.py is `aeexp evaluate`."""

import hydra
from omegaconf import DictConfig

from aeexp.app import cli
from aeexp.app.packages import CONFIGS
from aeexp.app.sentences import one_sentence


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="train")
def _train(config: DictConfig) -> dict[str, float]:
    return cli.train(config)


@hydra.main(version_base="1.3", config_path=str(CONFIGS), config_name="evaluate")
def _evaluate(config: DictConfig) -> None:
    with one_sentence():
        cli.evaluate(config)


def train() -> None:
    """Trains one run, or a sweep of them, as the words of the command line say."""
    cli.launch(_train)


def evaluate() -> None:
    """Measures finished runs."""
    cli.launch_evaluation(_evaluate)
