"""Processes that start together on a new machine read the cache of yapf, which mmengine needs."""

import json
import os
from pathlib import Path

import pytest
from fresh import run

WRITES = """
import json, os, pickle, sys

whole = {}

def seen(rename):
    def check(source, target, **options):
        if str(target).endswith('.pickle'):
            try:
                whole[os.path.basename(target)] = bool(pickle.load(open(source, 'rb')))
            except EOFError:
                whole[os.path.basename(target)] = False
        rename(source, target, **options)
    return check

os.rename, os.replace = seen(os.rename), seen(os.replace)
import ppnas_mm
from mmengine.config import Config
assert Config(dict(a=1)).pretty_text == 'a = 1\\n'
print(json.dumps(whole))
"""


def test_yapfs_cache_gets_its_name_when_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path))
    whole = json.loads(run(WRITES).splitlines()[-1])
    assert len(whole) == 2 and all(whole.values()), whole
    kept = [path for path in tmp_path.rglob('*') if path.is_file()]
    assert len(kept) == 2 and all(os.path.getsize(path) for path in kept)
