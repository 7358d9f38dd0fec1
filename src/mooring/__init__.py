"""Mooring: a self-hosted control plane that runs AI agents' workflows in isolated compute."""

__version__ = "0.1.0"
