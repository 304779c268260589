"""Leaf users: a number within the account for every id ever named, and the newest name."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import sqlalchemy as sa

from alerter.core.answers import UserAnswer
from alerter.store.cache import Ints
from alerter.store.part import Part
from alerter.store.tables import leaf_user

_U = leaf_user.c
_FEW = 500  # more than this many unknown ids: read the account's users whole


class Users(Part):
    """The Leaf users of one transaction."""

    def save_users(self, account: str, users: Iterable[UserAnswer], now: datetime) -> None:
        """Keep the users' names; only new and changed ones are written, and addresses not at all."""
        key = self._account_key(account)
        said = {one.id: one for one in users}
        numbers = self._numbers(key, list(said)).tolist()
        known = {row.number: row.name for row in self._all(sa.select(_U.number, _U.name).where(_U.account_key == key))}
        changed = [
            {"its_account": key, "its_number": number, "name": one.name, "named_at": now}
            for number, one in zip(numbers, said.values(), strict=True)
            if known[number] != one.name
        ]
        renamed = sa.update(leaf_user).where(
            _U.account_key == sa.bindparam("its_account"), _U.number == sa.bindparam("its_number")
        )
        self._run(renamed, changed)

    def user_names(self, account: str) -> dict[str, str]:
        """Return the names that are known, by user id."""
        key = self._account_key(account)
        named = sa.select(_U.user_id, _U.name).where(_U.account_key == key, _U.name.is_not(None))
        return {row.user_id: row.name for row in self._all(named)}

    def _numbers(self, account_key: int, user_ids: Sequence[str]) -> Ints:
        """Return each user's number, adding those never named before."""
        numbers = self._cache.numbers(account_key, user_ids)
        if None in numbers:
            self._lock_account(account_key)
            missing = [one for one, number in zip(user_ids, numbers, strict=True) if number is None]
            self._load(account_key, missing)
            known = self._cache.numbers(account_key, missing)
            self._add_users(account_key, [one for one, number in zip(missing, known, strict=True) if number is None])
            numbers = self._cache.numbers(account_key, user_ids)
        return np.array(numbers, dtype=np.int64)

    def _ids(self, account_key: int, numbers: Sequence[int]) -> list[str]:
        """Return the id behind each number."""
        ids = self._cache.user_ids(account_key, numbers)
        if None in ids:
            self._load(account_key, None)
            ids = self._cache.user_ids(account_key, numbers)
        return [str(one) for one in ids]

    def _load(self, account_key: int, user_ids: Sequence[str] | None) -> None:
        statement = sa.select(_U.number, _U.user_id).where(_U.account_key == account_key)
        if user_ids is not None and len(user_ids) <= _FEW:
            statement = statement.where(_U.user_id.in_(user_ids))
        for row in self._all(statement):
            self._cache.add_user(account_key, row.number, row.user_id)

    def _add_users(self, account_key: int, user_ids: Iterable[str]) -> None:
        top = self._connection.scalar(sa.select(sa.func.max(_U.number)).where(_U.account_key == account_key))
        new = list(enumerate(dict.fromkeys(user_ids), start=int(top or 0) + 1))
        if not new:
            return
        self._cache.dirty = True
        rows = [{"account_key": account_key, "number": number, "user_id": user_id} for number, user_id in new]
        self._run(sa.insert(leaf_user), rows)
        for number, user_id in new:
            self._cache.add_user(account_key, number, user_id)
