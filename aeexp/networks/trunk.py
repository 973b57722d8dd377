"""What every network's encoder is: a sequence of layers that knows how many features come out."""

from torch import nn


class Trunk(nn.Sequential):
    """(B, *shape) -> (B, out_features)"""

    def __init__(self, *layers: nn.Module, out_features: int) -> None:
        super().__init__(*layers)
        self.out_features = out_features
