"""Train one run, or a sweep of them:  python train.py [-m] model=vae data=mnist bottleneck=10 seed=0"""

from aeexp.app.programs import train

if __name__ == "__main__":
    train()
