"""Self-hosted analytics that speaks the Rybbit HTTP API: a Flask app and a Flask extension.

`create_app` builds the server's app; `Rybbit` mounts it inside another Flask app.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rybbit.extension import Rybbit
    from rybbit.factory import create_app

__all__ = ["Rybbit", "create_app"]


def __getattr__(name: str) -> Any:
    # Imported when asked for: commands and helper processes need not wait for Flask.
    if name == "create_app":
        from rybbit.factory import create_app

        return create_app
    if name == "Rybbit":
        from rybbit.extension import Rybbit

        return Rybbit
    raise AttributeError(name)
