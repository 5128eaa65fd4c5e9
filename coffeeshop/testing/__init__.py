"""Faults on purpose, for tests and demonstrations."""
