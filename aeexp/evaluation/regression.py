"""Ridge regression of a property of texts from their codes, beside what it is predicted from without a code.

    r2, mae            coefficient of determination and mean absolute error, on test examples, of ridge regression from
                       the standardised mean codes
    r2_symbols, mae_symbols
                       the same from how often each symbol is in the text
    r2_features, mae_features
                       the same from features that are made for such texts, such as fingerprints of molecules, where
                       there are any

The weight of the penalty is the best of PENALTIES on validation examples, for each by itself. A code that knows no more
than the mean has an r2 of 0. The fitting is scikit-learn's, on at most `examples` training examples, as many test
examples and a fifth as many validation examples.
"""

import numpy as np
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_error, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from aeexp.context.base import EvaluationContext, Result
from aeexp.errors import NotApplicable, UserError
from aeexp.metrics.finite import refuse_not_finite

PENALTIES = tuple(10.0**power for power in range(-3, 6))


class Regression:
    def __init__(self, examples: int) -> None:
        if examples < 5:
            raise UserError(f"evaluation=[regression] fits examples={examples} training examples: choose at least 5")
        self.examples = examples

    def __call__(self, context: EvaluationContext) -> Result:
        """NotApplicable of data without a property, and of a model without codes."""
        words, data = context.data.vocabulary, context.data
        parts = [data.train.first(self.examples), data.val.first(self.examples // 5), data.test.first(self.examples)]
        found = [words.language.property(words.texts(part.x)) for part in parts] if words else [None]
        if None in found:
            raise NotApplicable("no property of these examples is known: choose data=numerals or data=zinc")
        known = [one for one in found if one is not None]
        values = [one.values.numpy() for one in known]
        codes = [context.codes(part) for part in parts]
        refuse_not_finite(codes[0])
        inputs = {"": codes, "_symbols": [part.x.sum(1) for part in parts]}
        features = [one.features for one in known if one.features is not None]
        inputs |= {"_features": features} if features else {}
        metrics: dict[str, float] = {}
        for suffix, x in inputs.items():
            r2, mae = _scores([each.double().numpy() for each in x], values)
            metrics |= {f"r2{suffix}": r2, f"mae{suffix}": mae}
        return Result(metrics, facts={"property": known[0].name})


def _scores(x: list[np.ndarray], y: list[np.ndarray]) -> tuple[float, float]:
    """r2 and mae on the last of three parts, x (n, D) and y (n,): fitted to the first, penalty chosen on the second"""
    models = [make_pipeline(StandardScaler(), Ridge(alpha)).fit(x[0], y[0]) for alpha in PENALTIES]
    best = max(models, key=lambda model: r2_score(y[1], model.predict(x[1])))
    predicted = best.predict(x[2])
    return float(r2_score(y[2], predicted)), float(mean_absolute_error(y[2], predicted))
