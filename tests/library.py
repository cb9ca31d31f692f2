"""A copy of the library to which a test may add models: links to all that it does not change."""

from pathlib import Path

from equitraj.base import code, registry


def with_own_models(folder: Path) -> Path:
    """The library in `folder`, beside the commands; its room of models is an empty folder."""
    library = folder / "scripts" / "equitraj"
    (library / "models").mkdir(parents=True)
    for path in registry.LIBRARY.parent.glob("*.py"):
        (folder / "scripts" / path.name).symlink_to(path)
    for path in registry.LIBRARY.iterdir():
        if path.name not in ("models", "__pycache__"):
            (library / path.name).symlink_to(path)
    return library


def forget() -> None:
    """Forget what was read of models: another file may have the name."""
    for function in (
        registry.model_spec,
        registry.parsed,
        code.command_digest,
        code.facts,
        code.files_of_module,
        code.direct_imports,
        code.imported_files,
        code.with_imports,
    ):
        function.cache_clear()
