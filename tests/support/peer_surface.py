"""
Prints, as JSON, what the package of this interpreter offers: every name of `extism.extism` and how it is called.

Run by the two interpreters, ours and the peer's, so it knows neither.
"""

import inspect
import json

import extism
import extism.extism

MODULE = extism.extism


def main():
    names = {}
    for name, value in sorted(vars(MODULE).items()):
        is_own = str(getattr(value, "__module__", "")).startswith("extism")
        if not (is_own or name == "HOST_FN_REGISTRY"):
            continue
        names[name] = parameters(value)
        if inspect.isclass(value):
            for member, each in sorted(members(value).items()):
                names[f"{name}.{member}"] = parameters(each)
    print(json.dumps({"names": names, "all": sorted(extism.__all__)}))


def members(kind):
    """The public members of a class, with those that it has of other classes of its package."""
    bases = [base for base in reversed(kind.__mro__) if base.__module__.startswith("extism")]
    found = {member: each for base in bases for member, each in vars(base).items()}
    return {member: each for member, each in found.items() if not member.startswith("_")}


def parameters(value):
    """Name, kind and whether there is a default of each parameter; None for what is not called."""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return None
    return [[each.name, each.kind.name, each.default is not each.empty] for each in found]


main()
