"""Classification by the model's own classifier q(y | x), on the labelled test examples.

accuracy    fraction whose most probable class is theirs
nats        -log q(y | x) of their class, averaged
"""

import torch

from aeexp.context.base import EvaluationContext, Result, refuse_without_labels
from aeexp.types import Batch


class Classification:
    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable where the model has no classifier, or the data have no labels."""
        test = context.data.test
        refuse_without_labels(test)

        def measured(batch: Batch) -> torch.Tensor:
            q = context.model.class_probabilities(batch.x)
            of_class = q.gather(1, batch.y.clamp_min(0)[:, None])[:, 0]
            return torch.stack([(q.argmax(1) == batch.y).double(), -of_class.double().log()], 1)

        accuracy, nats = context.map(measured, test)[test.y >= 0].mean(0).tolist()
        return Result({"accuracy": accuracy, "nats": nats})
