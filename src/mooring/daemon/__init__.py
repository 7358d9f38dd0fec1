"""The server's commands: up, down, status, serve, work, migrate, doctor."""

from mooring.daemon.commands import main

__all__ = ["main"]
