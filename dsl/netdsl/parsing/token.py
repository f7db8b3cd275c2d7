"""The tokens of a text: strings that know their type and where they are."""

from __future__ import annotations

from typing import Self


class Token(str):
    """A token, whose type is that of the grammar. Positions are offsets; lines and columns count from 1."""

    __slots__ = ("column", "end_pos", "line", "start_pos", "type")
    type: str
    start_pos: int
    end_pos: int
    line: int
    column: int

    def __new__(cls, type: str, value: str, start_pos: int, end_pos: int, line: int, column: int) -> Self:
        """A token at a place, which is given by where it starts and ends."""
        token = super().__new__(cls, value)
        token.type = type
        token.start_pos, token.end_pos = start_pos, end_pos
        token.line, token.column = line, column
        return token

    def update(self, type: str | None = None, value: str | None = None) -> Token:
        """A token of another type, or with another text, at the same place."""
        type, value = type or self.type, str(self) if value is None else value
        return Token(type, value, self.start_pos, self.end_pos, self.line, self.column)

    def __eq__(self, other: object) -> bool:
        """Whether the texts are equal and, if both are tokens, the types."""
        if isinstance(other, Token) and self.type != other.type:
            return False
        return str.__eq__(self, other)

    __hash__ = str.__hash__
