"""Settings of an encoder, to and from a checkpoint."""

from dataclasses import asdict, fields
from typing import Any, Self


class StoredSettings:
    """A base of frozen dataclasses whose fields JSON can hold."""

    def settings(self) -> dict[str, Any]:
        """The fields as a dict, for a checkpoint."""
        return asdict(self)  # type: ignore[call-overload]

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """The encoder with these `settings()`.

        Raises
        ------
        ValueError
            If they are not settings of this class.
        """
        expected = {field.name for field in fields(cls)}  # type: ignore[arg-type]
        if not isinstance(settings, dict) or set(settings) != expected:
            raise ValueError(f"expected settings {', '.join(sorted(expected))}, got {settings!r:.200}")
        return cls(**settings)
