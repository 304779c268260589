"""The users of a history by row, made when somebody looks: there may be a hundred thousand, and rules look at few."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import overload

from alerter.core.model import LeafUser


class LeafUsers(Sequence[LeafUser]):
    """Users by their `ids`, each with the name known for it."""

    def __init__(self, ids: tuple[str, ...], names: Mapping[str, str]) -> None:
        self._ids = ids
        self._names = names

    def __len__(self) -> int:
        return len(self._ids)

    @overload
    def __getitem__(self, row: int) -> LeafUser: ...
    @overload
    def __getitem__(self, row: slice) -> tuple[LeafUser, ...]: ...
    def __getitem__(self, row: int | slice) -> LeafUser | tuple[LeafUser, ...]:
        if isinstance(row, slice):
            return tuple(map(self._user, self._ids[row]))
        return self._user(self._ids[row])

    def _user(self, user_id: str) -> LeafUser:
        return LeafUser(id=user_id, name=self._names.get(user_id))
