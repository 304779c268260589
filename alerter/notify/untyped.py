"""Apprise's classes as Any: the package says that it is typed, but its signatures are not."""

from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of modules that Apprise's own dependencies still import
    import apprise
    from apprise.exception import AppriseException
    from apprise.plugins import email, slack
    from apprise.plugins.custom_json import NotifyJSON as _NotifyJSON
    from apprise.plugins.email.smtp import AppriseSMTPController as _SMTPController

Apprise: Any = apprise.Apprise
AppriseAsset: Any = apprise.AppriseAsset
NotifyFormat: Any = apprise.NotifyFormat
NotifyType: Any = apprise.NotifyType
NotifyJSON: Any = _NotifyJSON
NotifyEmail: Any = email.NotifyEmail
NotifySlack: Any = slack.NotifySlack
SMTPController: Any = _SMTPController
CHANNEL_RE = slack.CHANNEL_RE
SlackMode = slack.SlackMode

__all__ = [
    "CHANNEL_RE", "Apprise", "AppriseAsset", "AppriseException", "NotifyEmail", "NotifyFormat", "NotifyJSON",
    "NotifySlack", "NotifyType", "SMTPController", "SlackMode",
]  # fmt: skip
