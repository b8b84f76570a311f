"""The one place with the version number (SemVer)."""

__version__ = "0.1.0"
