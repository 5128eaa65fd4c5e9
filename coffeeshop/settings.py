"""The environment and the defaults, read once by the command line."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Settings:
    """What the environment says. An option on the command line wins."""

    data_root: Path = Path(".data")
    """COFFEESHOP_DATA_ROOT: the folder that holds data folders by name."""
    log_json: bool = False
    """COFFEESHOP_LOG_FORMAT=json: logs as JSON lines."""

    @classmethod
    def read(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """The settings of an environment."""
        return cls(
            data_root=Path(environment.get("COFFEESHOP_DATA_ROOT") or cls.data_root),
            log_json=environment.get("COFFEESHOP_LOG_FORMAT") == "json",
        )
