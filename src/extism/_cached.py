"""
`cache` and `cached_property` as `functools` has them, without the 3 ms that importing it costs a start.

For what is asked for while a plugin is loaded or compiled; everything else takes them from `functools`. Two threads that ask for
the first time at once may both compute: what is cached here is equal however often it is made.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from functools import cache, cached_property
else:

    class cached_property:  # noqa: N801 - as in `functools`
        """A property that is computed once for each instance, and kept in its `__dict__`."""

        def __init__(self, function):  # noqa: ANN001, ANN204
            self._function = function
            self.__doc__ = function.__doc__

        def __set_name__(self, owner, name):  # noqa: ANN001, ANN204
            self._name = name

        def __get__(self, instance, owner=None):  # noqa: ANN001, ANN204
            if instance is None:
                return self
            # No data descriptor: from now on Python finds the value first.
            value = instance.__dict__[self._name] = self._function(instance)
            return value

    def cache(function):  # noqa: ANN001, ANN202
        """Remember what a function of hashable arguments returned, for as long as the process lives."""
        known = {}

        def cached(*args, **kwargs):  # noqa: ANN002, ANN003, ANN202
            key = (args, tuple(kwargs.items())) if kwargs else args
            try:
                return known[key]
            except KeyError:
                return known.setdefault(key, function(*args, **kwargs))

        cached.__name__, cached.__qualname__ = function.__name__, function.__qualname__
        cached.__module__, cached.__doc__ = function.__module__, function.__doc__
        cached.__wrapped__ = function
        cached.cache_clear = known.clear
        return cached


__all__ = ["cache", "cached_property"]
