"""Measurements of ``tools/benchmark.py``; each returns a ``record.Record``."""
