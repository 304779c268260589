"""What the config's `contracts` entries say of a contract: its cap, its name, what its summaries mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alerter.app.settings import Cap, quota_of
from alerter.core.model import Contract, SummaryMeaning

if TYPE_CHECKING:
    from alerter.config import Config


def cap_of(config: Config, contract: Contract) -> Cap:
    """Return the cap of the first `contracts` entry that matches, else the API's own quota."""
    found = config.contract_entry(contract)
    if found is not None and found[1].cap is not None:
        return Cap(area=found[1].cap, source=f"{found[0]}.cap")
    return quota_of(contract)


def configured_meaning(config: Config, contract: Contract) -> SummaryMeaning | None:
    """Return what the config says that this contract's summaries mean, None to find it out."""
    found = config.contract_entry(contract)
    means = found[1].summary_means if found is not None else "auto"
    return None if means == "auto" else SummaryMeaning(means)


def name_of(config: Config, contract: Contract) -> str | None:
    """Return what people call this contract."""
    found = config.contract_entry(contract)
    return found[1].name if found is not None else None
