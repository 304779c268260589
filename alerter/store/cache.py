"""What is remembered between transactions, and why that is safe.

Readings and users are never changed once committed, and on every database a committed key belongs to one row for ever;
so what is known of them may be kept by key.  What a transaction has written itself it keeps apart (`TxCache`) until it
commits: after a rollback SQLite gives the same keys again.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
from numpy.typing import NDArray

from alerter.core.quality import KnownRange, KnownSummary

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

ARRAY_BYTES = 40 * 1024 * 1024  # of readings kept unpacked: five contracts × 10,000 users × 84 days take 34 MB


class Positions:
    """Where each user number of one contract sits in the contract's arrays; grows, never moves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._position = np.full(0, -1, dtype=np.int64)  # by user number
        self.numbers = np.zeros(0, dtype=np.int64)  # by position

    def of(self, numbers: Ints) -> Ints:
        """Return the position of each number, giving new numbers the next free ones."""
        if not len(numbers):
            return numbers
        with self._lock:
            top = int(numbers.max())
            if top >= len(self._position):
                grown = np.full(max(top + 1, 2 * len(self._position)), -1, dtype=np.int64)
                grown[: len(self._position)] = self._position
                self._position = grown
            fresh = np.unique(numbers[self._position[numbers] < 0])
            if len(fresh):
                self._position[fresh] = np.arange(len(self.numbers), len(self.numbers) + len(fresh))
                self.numbers = np.concatenate([self.numbers, fresh])
            return self._position[numbers]


class Users:
    """The users of one account: id to number and back."""

    def __init__(self) -> None:
        self.number: dict[str, int] = {}
        self.id: dict[int, str] = {}

    def add(self, number: int, user_id: str) -> None:
        """Take note of one committed user."""
        self.number[user_id] = number
        self.id[number] = user_id


@dataclass(slots=True)
class Fold:
    """What the days before the changing ones say of each user: first use and whether they were ever named."""

    reading_ids: tuple[int, ...] = ()
    first_on: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    named: NDArray[np.bool_] = field(default_factory=lambda: np.zeros(0, dtype=np.bool_))


@dataclass(slots=True)
class Order:
    """The users of one contract that are shown, by id: their positions and their ids."""

    named: NDArray[np.bool_]
    positions: Ints
    ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Figures:
    """The newest figures of each of a contract's days without the users, as of the newest rows."""

    stamp: tuple[int | None, ...]
    ranges: Mapping[date, KnownRange]
    summaries: Mapping[date, KnownSummary]


class Cache:
    """What one Store remembers; safe for threads."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._arrays: OrderedDict[int, Floats] = OrderedDict()
        self._bytes = 0
        self._positions: dict[int, Positions] = {}
        self.folds: dict[int, Fold] = {}
        self.orders: dict[int, Order] = {}
        self.figures: dict[int, Figures] = {}
        self._users: dict[int, Users] = {}

    def positions(self, contract_key: int) -> Positions:
        """Return the positions of one contract's users."""
        with self.lock:
            return self._positions.setdefault(contract_key, Positions())

    def users(self, account_key: int) -> Users:
        """Return what is known of an account's users."""
        with self.lock:
            return self._users.setdefault(account_key, Users())

    def array(self, reading_id: int) -> Floats | None:
        """Return a committed reading's areas by position, if they are here."""
        with self.lock:
            found = self._arrays.get(reading_id)
            if found is not None:
                self._arrays.move_to_end(reading_id)
            return found

    def keep(self, arrays: dict[int, Floats]) -> None:
        """Keep committed readings, at the expense of those not used for longest."""
        with self.lock:
            for reading_id, array in arrays.items():
                if reading_id not in self._arrays:
                    self._bytes += array.nbytes
                    self._arrays[reading_id] = array
                self._arrays.move_to_end(reading_id)
            while self._bytes > ARRAY_BYTES and self._arrays:
                self._bytes -= self._arrays.popitem(last=False)[1].nbytes

    def drop(self, reading_ids: Iterable[int]) -> None:
        """Forget readings' areas: they can be read again."""
        with self.lock:
            for reading_id in reading_ids:
                array = self._arrays.pop(reading_id, None)
                if array is not None:
                    self._bytes -= array.nbytes


class TxCache:
    """One transaction's view: the shared cache, and what this transaction has added and not committed."""

    def __init__(self, shared: Cache) -> None:
        self.shared = shared
        self.dirty = False  # readings, days or users were written: nothing derived may be shared before the commit
        self._arrays: dict[int, Floats] = {}
        self._users: dict[int, Users] = {}
        self._locked: set[tuple[str, int]] = set()
        self.account_of: dict[int, int] = {}  # account by contract, of contracts locked in this transaction

    def lock_once(self, kind: str, key: int) -> bool:
        """Return True the first time a row is named, for a lock lasts until the transaction's end."""
        if (kind, key) in self._locked:
            return False
        self._locked.add((kind, key))
        return True

    def array(self, reading_id: int) -> Floats | None:
        """Return a reading's areas by position, if they are here."""
        own = self._arrays.get(reading_id)
        return own if own is not None else self.shared.array(reading_id)

    def keep(self, reading_id: int, array: Floats) -> None:
        """Keep a reading until the transaction ends, and longer if it commits."""
        array.flags.writeable = False
        self._arrays[reading_id] = array

    def numbers(self, account_key: int, user_ids: Sequence[str]) -> list[int | None]:
        """Return the users' numbers, None for those that are not here."""
        found = list(map(self.shared.users(account_key).number.get, user_ids))
        own = self._users.get(account_key)
        if own and None in found:
            return [
                own.number.get(one) if number is None else number for one, number in zip(user_ids, found, strict=True)
            ]
        return found

    def user_ids(self, account_key: int, numbers: Sequence[int]) -> list[str | None]:
        """Return the ids behind numbers, None for those that are not here."""
        found = list(map(self.shared.users(account_key).id.get, numbers))
        own = self._users.get(account_key)
        if own and None in found:
            return [own.id.get(number) if one is None else one for number, one in zip(numbers, found, strict=True)]
        return found

    def add_user(self, account_key: int, number: int, user_id: str) -> None:
        """Take note of a user seen or added in this transaction."""
        self._users.setdefault(account_key, Users()).add(number, user_id)

    def commit(self) -> None:
        """Hand on what is now committed."""
        self.shared.keep(self._arrays)
        for account_key, users in self._users.items():
            shared = self.shared.users(account_key)
            for number, user_id in users.id.items():
                shared.add(number, user_id)
