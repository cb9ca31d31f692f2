"""Equivariance in models that predict trajectories: read, align, load a trained method, audit any
function.

Nothing is imported before it is asked for: `import equitraj` costs no framework.
"""

from importlib import import_module

_PLACES = {"align": "alignment", "audit": "audit", "load": "run", "read": "reading"}
__all__ = [*sorted(_PLACES), "__version__"]


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(import_module(f"equitraj.api.{_PLACES[name]}"), name)
    if name == "__version__":
        from importlib.metadata import version

        return version("equitraj")
    raise AttributeError(
        f"module 'equitraj' has no attribute {name!r}; it has {', '.join(__all__)}"
    )


def __dir__() -> list[str]:
    return __all__
