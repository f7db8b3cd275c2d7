"""The outputs of a network for every row of a data set."""

from netruntime.prediction.api import Predicted, predict
from netruntime.prediction.rows import predicted_rows

__all__ = ["Predicted", "predict", "predicted_rows"]
