"""The blocks of a source, parsed one by one: a model uses few blocks of the standard library."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from netdsl.parsing.parser import read_items
from netdsl.source import Source
from netdsl.syntax import Block
from netdsl.work import unlimited

_HEADS = re.compile(r"^(?:block|cell) (\w+)", re.MULTILINE)


class BlocksOf(Mapping[str, Block]):
    """The blocks of a source without mistakes, each parsed when it is needed."""

    def __init__(self, source: Source) -> None:
        heads = [*_HEADS.finditer(source.text)]
        ends = [*(head.start() for head in heads[1:]), len(source.text)]
        self._source = source
        self._places = {head[1]: (head.start(), end) for head, end in zip(heads, ends, strict=True)}
        self._parsed: dict[str, Block] = {}

    def __getitem__(self, name: str) -> Block:
        if name not in self._parsed:
            with unlimited():
                items = read_items(self._source, *self._places[name])
            self._parsed |= {item.name.text: item for item in items if isinstance(item, Block)}
        return self._parsed[name]

    def __contains__(self, name: object) -> bool:
        return name in self._places  # `Mapping` would parse the block

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)
