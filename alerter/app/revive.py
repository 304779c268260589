"""Send again what was given up for a recipient that works again: a channel that was mended must not stay uninformed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from alerter.core.states import Alert, NotifyReason, Status
from alerter.store import Tx

REVIVED_FOR = timedelta(days=7)  # older than that it is history, and the next tier or reminder speaks
_STANDING = frozenset({NotifyReason.FIRING.value, NotifyReason.ESCALATED.value, NotifyReason.REMINDER.value})


def revive(tx: Tx, *, broken: Collection[str], now: datetime) -> int:
    """Put given-up messages back into the queue that are still the last word on a firing alert; return how many.

    `broken` are the recipients that do not work yet.  What has ended meanwhile, or was told at a higher tier since,
    stays given up: nobody is bothered with it.
    """
    given_up = [one for one in tx.outbox.given_up(now - REVIVED_FOR) if one.message.recipient not in broken]
    keys = {key.split(":", 1)[0] for one in given_up for key in one.notice_keys}
    alerts = tx.alerts.load(keys)
    last_words = [one for one in given_up if any(_is_last_word(key, alerts) for key in one.notice_keys)]
    return sum(tx.outbox.resend(one.message.id, now) for one in last_words)


def _is_last_word(key: str, alerts: Mapping[str, Alert]) -> bool:
    """Read a notice's key (see `Notice.key`): is its alert still firing in that episode, told just that?"""
    fingerprint, episode, reason, level, repeat, recipient = key.split(":", 5)
    alert = alerts.get(fingerprint)
    told = alert.told.get(recipient) if alert else None
    return (
        alert is not None
        and told is not None
        and alert.status is Status.FIRING
        and reason in _STANDING
        and (str(alert.episode), f"{told.level:g}", str(told.repeat)) == (episode, level, repeat)
    )
