"""The entries of the model zoo, that of the digits' weights, and indexes made of it."""

import json
from pathlib import Path
from typing import Any

from tool import ROOT

INDEX = ROOT / 'model_zoo' / 'index.json'
ENTRIES = {entry['name']: entry for entry in json.loads(INDEX.read_text())['entries']}
NAMES = sorted(ENTRIES)
DIGITS = 'pp_resnet20.digits'
ENTRY = ENTRIES[DIGITS]
ON_DIGITS = [name for name in NAMES if ENTRIES[name]['metric']['dataset'].startswith('Digits (')]
"""What can be tested everywhere: these images come with a package."""


def write_index(path: Path, *entries: dict[str, Any]) -> Path:
    """Write an index as it is, unchecked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({'schema': 1, 'entries': list(entries)}))
    return path
