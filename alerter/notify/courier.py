"""Hand a message to Apprise and get back what its boolean hides."""

from __future__ import annotations

from typing import Any, Protocol

from alerter.errors import DeliveryError
from alerter.notify.channels import Envelope, Receipt
from alerter.notify.flight import Flight
from alerter.notify.message import Rendered
from alerter.notify.untyped import Apprise, NotifyFormat, NotifyType


class Courier:
    """Mixed into an Apprise plugin: its `send` runs our `deliver` and keeps how that ended."""

    load: tuple[Flight[Any], Rendered, Envelope] | None = None
    receipt: Receipt | None = None
    failure: DeliveryError | None = None

    def deliver(self, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> Receipt:
        """Hand over one message; raise DeliveryError."""
        raise NotImplementedError

    def send(self, body: str, title: str = "", **_: Any) -> bool:
        """Do what Apprise asks of a plugin."""
        del body, title  # the load holds them in every form
        if self.load is None:
            return False
        flight = self.load[0]
        try:
            self.receipt = self.deliver(*self.load)
        except DeliveryError as error:
            self.failure = error
        except Exception as error:  # noqa: BLE001  Apprise would swallow it; an unforeseen failure must be told too
            self.failure = DeliveryError(f"unexpected {type(error).__name__}", ambiguous=flight.sent)
        return self.receipt is not None


class Plugin(Protocol):
    """An Apprise plugin with a courier in it."""

    asset: Any
    load: tuple[Flight[Any], Rendered, Envelope] | None
    receipt: Receipt | None
    failure: DeliveryError | None


def deliver(plugin: Plugin, flight: Flight[Any], rendered: Rendered, envelope: Envelope) -> Receipt:
    """Send one message through one plugin with one address; raise DeliveryError."""
    plugin.load = (flight, rendered, envelope)
    notify(plugin, rendered)
    if plugin.receipt is not None:
        return plugin.receipt
    raise plugin.failure or DeliveryError("Apprise did not take the message")


def notify(plugin: Any, rendered: Rendered, note: str = "") -> bool:
    """Let Apprise send `rendered` as text through `plugin`; return whether it says that it was accepted."""
    kinds = {"info": NotifyType.INFO, "warning": NotifyType.WARNING, "critical": NotifyType.FAILURE}
    kind = kinds.get(str(rendered.payload.get("severity")), NotifyType.INFO)
    apprise = Apprise(asset=plugin.asset)
    apprise.add(plugin)
    with apprise.notify(
        title=rendered.title, body=f"{rendered.text}{note}" or "-", notify_type=kind, body_format=NotifyFormat.TEXT
    ) as result:
        return bool(result)
