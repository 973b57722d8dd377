"""The scikit-learn estimator:  from aeexp.sklearn import AutoencoderTransformer"""

from aeexp.api.sklearn import AutoencoderTransformer

__all__ = ["AutoencoderTransformer"]
