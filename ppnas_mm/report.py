"""The table that ends a search."""

from __future__ import annotations

import json
from pathlib import Path


def print_result(work_dir: str | Path) -> None:
    """Print what ``search.json`` of a work dir says of super-net and derived network."""
    record = json.loads((Path(work_dir) / 'search.json').read_text())
    print(record['result'])
