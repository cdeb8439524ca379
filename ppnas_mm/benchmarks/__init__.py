"""What ``tools/benchmark.py`` measures; each measurement returns a ``record.Record``."""
