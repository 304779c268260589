"""What all sections of the config share."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A mapping of the config: unknown keys are refused, values are frozen, errors never repeat an input."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_by_name=True)


def setting(default: Any, description: str, *, alias: str | None = None) -> Any:
    """Declare a key with its default, written as in the file, and what it means."""
    return Field(default=default, description=description, alias=alias, validate_default=True)
