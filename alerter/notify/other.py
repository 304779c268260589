"""Every other service Apprise knows, as Apprise does it: title and text; its boolean is all that is known after."""

from __future__ import annotations

import copy
import hashlib
import warnings
from typing import Any

from alerter.errors import DeliveryError
from alerter.notify.channels import REPEAT_NOTE, Channel, Envelope, Receipt, Recipient, asset, hush
from alerter.notify.courier import notify
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered
from alerter.notify.untyped import Apprise, AppriseException

_CONNECT_TIMEOUT = 10.0
_READ_TIMEOUT = 30.0
_LISTS = ("targets", "channels", "devices", "rooms", "topics", "phones", "recipients", "emails", "users")


class OtherChannel(Channel):
    """An Apprise URL: one recipient per target where the plugin keeps them in a list."""

    deadline = 90.0

    def __init__(self, name: str, url: str) -> None:
        self._name, self._url = name, url
        plugin = self._plugin()
        self._list, targets = self._split(plugin)
        self._targets: dict[str, Any] = {self._id(target): target for target in targets} if targets else {name: None}
        service = str(plugin.service_name)
        super().__init__(
            name,
            tuple(
                Recipient(
                    id=key, channel=name, service="other", address=service, pace=float(plugin.request_rate_per_sec)
                )
                for key in self._targets
            ),
        )

    def _plugin(self) -> Any:
        """Make a fresh plugin: its throttle would otherwise sleep in our thread."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # the first one imports every plugin there is
                plugin = Apprise.instantiate(self._url, asset=asset(), suppress_exceptions=False)
        except (AppriseException, TypeError, ValueError):
            plugin = None
        if plugin is None:
            raise ValueError(f"channel {self._name}: Apprise does not accept the url; is the service's name right?")
        if "cto=" not in self._url:
            plugin.socket_connect_timeout = _CONNECT_TIMEOUT
        if "rto=" not in self._url:
            plugin.socket_read_timeout = _READ_TIMEOUT
        plugin.retry = 0
        plugin.redirects = False
        plugin.optional = False  # an optional service reports success whatever happened
        return plugin

    def _split(self, plugin: Any) -> tuple[str, list[Any]]:
        """Find the list that makes several targets; one delivery over several would hide partial success."""
        if len(plugin) <= 1:
            return "", []
        for attribute in _LISTS:
            targets = getattr(plugin, attribute, None)
            if isinstance(targets, (list, tuple, set)) and len(targets) == len(plugin):
                ordered = sorted(targets, key=repr) if isinstance(targets, set) else list(targets)
                if len(self._only(plugin, attribute, ordered[0])) == 1:
                    return attribute, ordered
        raise ValueError(
            f"channel {self._name}: the url names {len(plugin)} targets that cannot be told apart;"
            " write one channel for each"
        )

    @staticmethod
    def _only(plugin: Any, attribute: str, target: Any) -> Any:
        single = copy.copy(plugin)
        setattr(single, attribute, type(getattr(plugin, attribute))([target]))
        return single

    def _id(self, target: Any) -> str:
        """Name a target by a digest: a phone number or a device token is nobody else's business."""
        return f"{self._name}/{hashlib.sha256(repr(target).encode()).hexdigest()[:8]}"

    def _send(self, flight: Flight[Receipt], recipient_id: str, rendered: Rendered, envelope: Envelope) -> Receipt:
        plugin = self._plugin()
        if self._list:
            plugin = self._only(plugin, self._list, self._targets[recipient_id])
        flight.mark_sent()
        note = f"\n{REPEAT_NOTE}" if envelope.possible_repeat else ""
        hush.take_status()
        if notify(plugin, rendered, note):
            return Receipt()
        status = hush.take_status()
        raise DeliveryError(f"{plugin.service_name} did not take the message" + (f": HTTP {status}" if status else ""))
