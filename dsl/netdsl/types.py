"""Element types and tensor types, which describe a value before any array exists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from enum import Enum

from netdsl.dims import Dim, DimLike, dim, product
from netdsl.immutable import immutable


class DType(Enum):
    """An element type. The value is its name in the language; `numpy_name` is its name in NumPy."""

    F16 = "f16"
    BF16 = "bf16"
    F32 = "f32"
    F64 = "f64"
    I8 = "i8"
    U8 = "u8"
    I32 = "i32"
    I64 = "i64"
    BOOL = "bool"

    @property
    def numpy_name(self) -> str:
        return _NUMPY_NAMES[self]

    @property
    def itemsize(self) -> int:
        """Bytes per element."""
        return _ITEM_SIZES[self]

    @property
    def is_float(self) -> bool:
        return self in (DType.F16, DType.BF16, DType.F32, DType.F64)

    @property
    def is_int(self) -> bool:
        return self in (DType.I8, DType.U8, DType.I32, DType.I64)

    @property
    def is_number(self) -> bool:
        return self is not DType.BOOL

    def __str__(self) -> str:
        return self.value


_NUMPY_NAMES = {
    DType.F16: "float16",
    DType.BF16: "bfloat16",
    DType.F32: "float32",
    DType.F64: "float64",
    DType.I8: "int8",
    DType.U8: "uint8",
    DType.I32: "int32",
    DType.I64: "int64",
    DType.BOOL: "bool",
}
_ITEM_SIZES = {
    DType.F16: 2,
    DType.BF16: 2,
    DType.F32: 4,
    DType.F64: 8,
    DType.I8: 1,
    DType.U8: 1,
    DType.I32: 4,
    DType.I64: 8,
    DType.BOOL: 1,
}


@immutable
class TensorType:
    """An element type and a shape; prints as it is written: `f32[B, 3, H, W]`."""

    dtype: DType
    shape: tuple[Dim, ...]

    @property
    def rank(self) -> int:
        return len(self.shape)

    @property
    def weight(self) -> int:
        """How much there is to read in the shape."""
        return sum(size.weight for size in self.shape)

    @property
    def size(self) -> Dim:
        """The number of elements."""
        return product(self.shape)

    @property
    def bytes(self) -> Dim:
        return self.size * self.dtype.itemsize

    def with_shape(self, shape: Sequence[DimLike]) -> TensorType:
        return TensorType(self.dtype, tuple(map(dim, shape)))

    def with_dtype(self, dtype: DType) -> TensorType:
        return TensorType(dtype, self.shape)

    def substitute(self, sizes: Mapping[str, DimLike]) -> TensorType:
        return TensorType(self.dtype, tuple(d.substitute(sizes) for d in self.shape))

    def __str__(self) -> str:
        return f"{self.dtype}{shape_text(self.shape)}"


def tensor(dtype: DType | str, *shape: DimLike) -> TensorType:
    """Shorthand: `tensor("f32", 2, 3)`."""
    return TensorType(DType(dtype), tuple(map(dim, shape)))


def shape_text(shape: Sequence[object]) -> str:
    """The shape in the syntax of the language; of very many axes, only the first and the last."""
    texts = [str(size) for size in shape]
    if len(texts) > 16:
        texts = [*texts[:6], "...", *texts[-2:]]
    return f"[{', '.join(texts)}]"
