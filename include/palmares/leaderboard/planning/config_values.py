"""Reads sizes from a stranger's config.json: a bad value is refused by name, never passed on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from palmares.leaderboard.errors import RefusedError
from palmares.leaderboard.submissions.refusals import refused
from palmares.texts import message

LARGEST_SIZE: Final = 100_000_000
"""No dimension of a model is larger (Llama 4 Scout's window: 10,485,760); a config that says so is broken."""
MOST_LAYERS: Final = 2_000
"""No model has more layers."""


class ConfigValues:
    """Looks a size up under the first of its names."""

    __slots__ = ("_config", "_defaults", "defaulted", "model_id")

    def __init__(
        self, config: Mapping[str, Any], model_id: str, *, defaults: Mapping[str, Any] | None = None
    ) -> None:
        self._config = config
        self._defaults = defaults or {}
        self.model_id = model_id
        self.defaulted: list[str] = []
        """Names that were missing, and read from the defaults."""

    def raw(self, name: str) -> Any:
        return self._config.get(name)

    def optional(self, *names: str, zero: bool = False) -> int | None:
        """Read a size; 0 is one where *zero* allows it.

        Raises:
            RefusedError: ``incompatible``: the value is not a whole number within reason.
        """
        for name in names:
            value = self._config.get(name)
            if value is None:
                continue
            if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= LARGEST_SIZE:
                raise broken(self.model_id, name, shown(value))
            if value == 0 and not zero:
                raise broken(self.model_id, name, "0")
            return value
        for name in names:
            if name in self._defaults:
                self.defaulted.append(name)
                return int(self._defaults[name])
        return None

    def required(self, *names: str) -> int:
        value = self.optional(*names)
        if value is None:
            raise broken(self.model_id, names[0], "missing")
        return value

    def number(self, name: str, default: int) -> int:
        """Read a count where 0 and absence mean something."""
        value = self.optional(name, zero=True)
        return default if value is None else value

    def bounded_layers(self, layers: int) -> int:
        """Refuse a number of layers that no model has: each of them is looked at.

        Raises:
            RefusedError: ``incompatible``: more than MOST_LAYERS.
        """
        if layers > MOST_LAYERS:
            raise broken(self.model_id, "num_hidden_layers", f"{layers}, more than {MOST_LAYERS}")
        return layers

    def flag(self, name: str, *, default: bool) -> bool:
        value = self._config.get(name)
        return value if isinstance(value, bool) else default

    def nested(self, name: str) -> ConfigValues:
        """A part of the configuration; an empty one where it is missing."""
        value = self._config.get(name)
        if value is not None and not isinstance(value, Mapping):
            raise broken(self.model_id, name, shown(value))
        return ConfigValues(value or {}, self.model_id)

    def names(self, name: str, length: int) -> tuple[str, ...] | None:
        """Read one word a layer; None: it is missing."""
        value = self._config.get(name)
        if value is None:
            return None
        if not isinstance(value, list | tuple) or not all(isinstance(word, str) for word in value):
            raise broken(self.model_id, name, shown(value))
        if len(value) != length:
            raise broken(self.model_id, name, f"a list of {len(value)} for {length} layers")
        return tuple(value)

    def indices(self, name: str) -> frozenset[int]:
        """Read numbers of layers; empty where they are missing."""
        value = self._config.get(name)
        if value is None:
            return frozenset()
        if not isinstance(value, list | tuple) or not all(type(index) is int for index in value):
            raise broken(self.model_id, name, shown(value))
        return frozenset(value)


def shown(value: object) -> str:
    """Quote a value briefly, however large or deep it is."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value) if value.bit_length() < 200 else f"a number of {value.bit_length()} bits"
    if value is None or isinstance(value, bool | float):
        return repr(value)
    if isinstance(value, str):
        return repr(value[:60])
    return f"a {type(value).__name__}"


def broken(model_id: str, key: str, value: str) -> RefusedError:
    """The refusal of one value of config.json."""
    return refused(
        "incompatible",
        name=model_id,
        detail=message("{key} of config.json is {value}", key=key, value=value),
        advice=message("Correct config.json and submit again."),
    )
