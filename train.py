"""Train one run, or a sweep of them:  python train.py [-m] model=vae data=mnist bottleneck=10 seed=0"""

import hydra
from omegaconf import DictConfig

from aeexp.app import cli


@hydra.main(version_base="1.3", config_path="configs", config_name="train")
def main(config: DictConfig) -> dict[str, float]:
    return cli.train(config)


if __name__ == "__main__":
    cli.launch(main)
