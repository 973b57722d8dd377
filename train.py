"""Train one run, or a sweep of them:  python train.py [-m] model=vae data=mnist bottleneck=10 seed=0"""

from aeexp.__main__ import run

if __name__ == "__main__":
    run("train")
