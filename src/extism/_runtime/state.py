"""
What survives a call: everything of a plugin that is not in its store.

Instances come and go (after a trap, after `_start`); configuration, variables and the plugin's name stay.

Most plugins reach no network, log nothing, keep nothing and are never asked for their name, so these are made when they
are first used: `logging` alone takes longer to import than a small plugin to load.
"""

from __future__ import annotations

from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    import uuid
    from collections.abc import Callable

    from extism._capabilities.config import Config
    from extism._capabilities.http import Http, Response
    from extism._capabilities.log import PluginLog
    from extism._capabilities.variables import Variables

__all__ = ["PluginState"]


class PluginState:
    """
    One plugin's own things; reached only by the call that runs, but for the variables.

    Args:
        make_config: Called once, for what the guest may read.
        max_var_bytes: How much the guest may keep.
        make_http: Called once, for how the guest reaches the network.
        logger: The name of the logger that the guest's messages go to.
        has_response_headers: Whether the guest may read the headers of a response.

    Attributes:
        last_response: Of the last `http_request`; None before one, or if the last one failed.
    """

    __slots__ = (
        "_config",
        "_http",
        "_id",
        "_lock",
        "_log",
        "_logger",
        "_make_config",
        "_make_http",
        "_max_var_bytes",
        "_variables",
        "has_response_headers",
        "last_response",
    )

    def __init__(
        self,
        make_config: Callable[[], Config],
        max_var_bytes: int,
        make_http: Callable[[], Http],
        logger: str,
        *,
        has_response_headers: bool = False,
    ) -> None:
        self.has_response_headers = has_response_headers
        self.last_response: Response | None = None
        self._make_config = make_config
        self._max_var_bytes = max_var_bytes
        self._make_http = make_http
        self._logger = logger
        self._lock = allocate_lock()
        self._config: Config | None = None
        self._variables: Variables | None = None
        self._http: Http | None = None
        self._log: PluginLog | None = None
        self._id: uuid.UUID | None = None

    @property
    def id(self) -> uuid.UUID:
        """The plugin's own name, made up when somebody first asks."""
        if self._id is None:
            import uuid

            self._id = uuid.uuid4()
        return self._id

    @property
    def config(self) -> Config:
        """What the guest may read."""
        if self._config is None:
            self._config = self._make_config()
        return self._config

    @property
    def variables(self) -> Variables:
        """What the guest keeps; any thread may ask."""
        if self._variables is None:
            from extism._capabilities.variables import Variables

            with self._lock:
                if self._variables is None:
                    self._variables = Variables(self._max_var_bytes)
        return self._variables

    def come_home(self) -> None:
        """Take what is the plugin's out of an instance that is about to go."""
        if self._variables is not None:
            self._variables.come_home()

    @property
    def http(self) -> Http:
        """How the guest reaches the network."""
        if self._http is None:
            self._http = self._make_http()
        return self._http

    @property
    def log(self) -> PluginLog:
        """Where the guest's messages go."""
        if self._log is None:
            from extism._capabilities.log import PluginLog

            self._log = PluginLog(self.id, logger=self._logger)
        return self._log

    def close(self) -> None:
        """Let go of what is open."""
        if self._http is not None:
            self._http.close()
