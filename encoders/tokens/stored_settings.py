"""Settings of an encoder in a checkpoint: there and back."""

from dataclasses import asdict, fields


class StoredSettings:
    """A frozen dataclass of settings that JSON can hold, with a dict of them and the way back."""

    def settings(self):
        """The settings as a dict, for a checkpoint."""
        return asdict(self)

    @classmethod
    def from_settings(cls, settings):
        """The encoder of `settings()`.

        Raises
        ------
        ValueError
            If they are not such settings.
        """
        expected = {field.name for field in fields(cls)}
        if not isinstance(settings, dict) or set(settings) != expected:
            raise ValueError(f"expected settings {', '.join(sorted(expected))}, got {settings!r:.200}")
        return cls(**settings)
