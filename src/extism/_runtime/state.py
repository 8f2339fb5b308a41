"""
What survives a call: everything of a plugin that is not in its store.

Instances come and go (after a trap, after `_start`); configuration, variables and the plugin's name stay.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extism._capabilities.config import Config
    from extism._capabilities.http import Http, Response
    from extism._capabilities.log import PluginLog
    from extism._capabilities.variables import Variables

__all__ = ["PluginId", "PluginState"]


class PluginId:
    """The name of a plugin, made up when somebody first asks: most plugins are never asked."""

    __slots__ = ("_value",)

    def __init__(self) -> None:
        self._value: uuid.UUID | None = None

    @property
    def value(self) -> uuid.UUID:
        """The name itself."""
        if self._value is None:
            self._value = uuid.uuid4()
        return self._value

    def __str__(self) -> str:
        return str(self.value)


@dataclass(slots=True, eq=False)
class PluginState:
    """
    One plugin's own things; reached only by the call that runs.

    Attributes:
        config: What the guest may read.
        variables: What the guest keeps.
        http: How it reaches the network.
        log: Where its messages go.
        has_response_headers: Whether the guest may read the headers of a response.
        last_response: Of the last `http_request`; None before one, or if the last one failed.
        name: The plugin's own, which its log shows.
    """

    config: Config
    variables: Variables
    http: Http
    log: PluginLog
    has_response_headers: bool = False
    last_response: Response | None = None
    name: PluginId = field(default_factory=PluginId)

    @property
    def id(self) -> uuid.UUID:
        """The plugin's own name."""
        return self.name.value
