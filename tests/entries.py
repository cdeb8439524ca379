"""The entry of the digits' weights, and indexes made of it."""

import json
from pathlib import Path
from typing import Any

from tool import ROOT

INDEX = ROOT / 'model_zoo' / 'index.json'
NAMES = sorted(entry['name'] for entry in json.loads(INDEX.read_text())['entries'])
DIGITS = 'pp_resnet20.digits'
ENTRY = next(e for e in json.loads(INDEX.read_text())['entries'] if e['name'] == DIGITS)


def write_index(path: Path, *entries: dict[str, Any]) -> Path:
    """Write an index as it is, unchecked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({'schema': 1, 'entries': list(entries)}))
    return path
