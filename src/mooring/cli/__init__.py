"""The command line. `moor --help` loads nothing but the menu."""

from mooring.cli.menu import main

__all__ = ["main"]
