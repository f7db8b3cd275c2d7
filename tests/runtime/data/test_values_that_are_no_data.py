"""Values that are neither a path, nor arrays by name, nor rows; and what the user's own rows raise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import netruntime as nr

NET = """net 1.0

model M(x: f32[B, 2]) -> y: f32[B, 2] { return x -> fc: Linear(2) }

train {
  input t: f32[B, 2]
  loss = mse(y, t)
}
"""


class Rows:
    """Rows whose number is what a test says."""

    def __init__(self, count: object) -> None:
        self.count = count

    def __len__(self) -> Any:
        if isinstance(self.count, Exception):
            raise self.count
        return self.count

    def __getitem__(self, row: int) -> dict[str, list[float]]:
        return {"x": [1.0, 2.0], "t": [1.0, 2.0]}


CALLS: list[Callable[[Any], object]] = [
    lambda data: nr.fit(NET, data, epochs=1, verbose=False),
    lambda data: nr.evaluate(NET, data),
    lambda data: nr.predict(NET, data),
]
VALUES = {
    "array without axes": np.array(1),
    "object without axes": np.array(None),
    "record without axes": np.zeros((), [("x", "f4", 2), ("t", "f4", 2)]),
    "scalar": np.float32(1),
    "class": dict,
    "negative number of rows": Rows(-1),
    "rows numbered by a string": Rows("3"),
    "number": 3,
    "nothing": None,
}


@pytest.mark.parametrize("call", CALLS, ids=["fit", "evaluate", "predict"])
@pytest.mark.parametrize("value", VALUES.values(), ids=list(VALUES))
def test_they_are_refused(call: Callable[[Any], object], value: object) -> None:
    with pytest.raises(nr.NetError) as refused:
        call(value)
    assert refused.value.code == "E0803"


@pytest.mark.parametrize("call", CALLS, ids=["fit", "evaluate", "predict"])
def test_what_rows_raise_themselves_is_passed_on(call: Callable[[Any], object]) -> None:
    with pytest.raises(RuntimeError, match="the database is gone"):
        call(Rows(RuntimeError("the database is gone")))


def test_predictions_are_read_by_output_and_row_by_row() -> None:
    predicted = nr.predict(NET, {"x": np.ones((3, 2), np.float32)})
    assert len(list(predicted)) == len(predicted) == 3
    np.testing.assert_array_equal(np.stack([row["y"] for row in predicted]), predicted["y"])
    with pytest.raises(nr.NetError, match="no output `z`") as refused:
        predicted["z"]
    assert refused.value.code == "E0870" and "`y`" in str(refused.value)
