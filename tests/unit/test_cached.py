"""What is asked for while a plugin is loaded is computed once."""

from __future__ import annotations

from extism._cached import cache, cached_property


def test_a_function_runs_once_for_each_arguments():
    """And again after `cache_clear`."""
    calls = []

    @cache
    def double(number, *, more=0):
        """Return twice the number."""
        calls.append(number)
        return 2 * number + more

    answers = [double(1), double(1), double(2), double(1, more=1), double(1, more=1)]
    double.cache_clear()
    answers.append(double(1))

    assert answers == [2, 2, 4, 3, 3, 2]
    assert calls == [1, 2, 1, 1]
    assert (double.__name__, double.__doc__) == ("double", "Return twice the number.")


def test_a_function_that_raises_is_asked_again():
    """Nothing is remembered of it."""
    answers = iter([ValueError, None])

    @cache
    def ask():
        answer = next(answers)
        if answer is not None:
            raise answer
        return "well"

    try:
        ask()
    except ValueError:
        second = ask()

    assert second == "well"


def test_a_property_is_computed_once_for_each_instance():
    """And belongs to it: others have their own."""
    calls = []

    class Owner:
        @cached_property
        def value(self):
            """The value."""
            calls.append(self)
            return object()

    one, other = Owner(), Owner()

    assert one.value is one.value
    assert one.value is not other.value
    assert calls == [one, other]
    assert Owner.value.__doc__ == "The value."
