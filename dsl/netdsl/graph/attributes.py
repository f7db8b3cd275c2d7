"""The attributes of the nodes and edges of a graph, and of the graph itself."""

from __future__ import annotations

import warnings
from dataclasses import fields
from typing import Any, ClassVar


class _Attributes(dict[str, Any]):
    """The attributes of a node, of an edge or of the graph: one value under one key.

    The fields of that value used to be attributes. They still work, with a deprecation warning.
    """

    __slots__ = ()  # there is one for each edge
    key: ClassVar[str]

    def __contains__(self, name: object) -> bool:
        return super().__contains__(name) or self._is_field(name)

    def __missing__(self, name: str) -> Any:
        if not self._is_field(name):
            raise KeyError(name)
        message = f'the attribute "{name}" of a graph is deprecated: read "{self.key}", then `.{name}`'
        warnings.warn(message, DeprecationWarning, stacklevel=2)
        return getattr(self[self.key], name)

    def _is_field(self, name: object) -> bool:
        return super().__contains__(self.key) and name in {field.name for field in fields(self[self.key])}


class NodeAttributes(_Attributes):
    __slots__ = ()
    key = "node"


class EdgeAttributes(_Attributes):
    __slots__ = ()
    key = "edge"


class GraphAttributes(_Attributes):
    __slots__ = ()
    key = "interface"
