"""Checks for people who write layers: finite differences, and the contract every registered layer meets."""
