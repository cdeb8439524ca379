"""Weights on the Hugging Face hub: ``hf://USER/NAME`` names the safetensors file of a repository.

``huggingface_hub`` does the transfers, with its own login and settings (``HF_TOKEN``,
``HF_ENDPOINT``).  Only ``.safetensors`` and the JSON of the entry are read; nothing else in a
repository is downloaded.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from ..utils import schema
from ..utils.schema import SchemaError
from .entry import Made, ZooError, parse_entry
from .fetch import cache_folder

SCHEME = 'hf://'
WEIGHTS, ENTRY, CARD = 'model.safetensors', 'entry.json', 'README.md'
"""Files of a repository that ``tools/publish.py --push`` writes."""
WORD = r'[A-Za-z0-9][A-Za-z0-9._-]*'
REPOSITORY = re.compile(f'{WORD}/{WORD}')
PLACE = re.compile(rf'hf://({WORD}/{WORD})(?:@([A-Za-z0-9][\w./-]*))?(?:/([A-Za-z0-9_][\w./-]*))?')


class Place(NamedTuple):
    """A file on the hub."""

    repository: str
    revision: str | None
    file: str


def parse(name: str) -> Place:
    """Read ``hf://USER/NAME``, ``hf://USER/NAME@REVISION`` or ``hf://USER/NAME/FILE.safetensors``.

    Raises:
        ZooError: If it is none of these.
    """
    match = PLACE.fullmatch(name)
    if not match or '..' in name:
        raise ZooError(
            f'{name:.100}: expected hf://USER/NAME, hf://USER/NAME@REVISION or '
            'hf://USER/NAME/FILE.safetensors'
        )
    file = match[3] or WEIGHTS
    if not file.endswith('.safetensors'):
        raise ZooError(f'{name}: only .safetensors files are read from the hub')
    return Place(match[1], match[2], file)


def client() -> Any:
    """Return the module ``huggingface_hub``.

    Raises:
        ZooError: If it is not installed.
    """
    try:
        return import_module('huggingface_hub')
    except ImportError:
        raise ZooError(
            "hf:// needs the package huggingface_hub: pip install 'ppnas_mm[hub]'"
        ) from None


def _endpoint() -> str | None:
    return os.environ.get('HF_ENDPOINT') or None


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def download(place: Place) -> Path:
    """Return a file of the hub in the cache; it is downloaded if it is new.

    Raises:
        ZooError: If there is no such file, or it cannot be fetched.
    """
    package = client()
    where = f'{SCHEME}{place.repository}'
    offline = os.environ.get('PPNAS_OFFLINE', '0') not in ('', '0')
    try:
        found = package.hf_hub_download(
            place.repository,
            place.file,
            revision=place.revision,
            cache_dir=cache_folder() / 'hub',
            endpoint=_endpoint(),
            local_files_only=offline,
        )
    except Exception as error:
        name = type(error).__name__
        reasons = {
            'EntryNotFoundError': f'no file {place.file} there',
            'RemoteEntryNotFoundError': f'no file {place.file} there',
            'RepositoryNotFoundError': 'no such repository, or a private one',
            'RevisionNotFoundError': f'no revision {place.revision!r} there',
        }
        reason = reasons.get(name, f'{place.file}: {_reason(error)}')
        if offline:
            reason = f'PPNAS_OFFLINE is set and {place.file} is not in {cache_folder() / "hub"}'
        raise ZooError(f'{where}: {reason}') from None
    return Path(found)


def fetch_weights(name: str) -> Path:
    """Return the weights of ``hf://USER/NAME`` as a file.

    Raises:
        ZooError: If the name is wrong, or the file cannot be fetched.
    """
    return download(parse(name))


def fetch_entry(name: str) -> Made:
    """Return what a repository says of its weights; it is read as if a stranger had written it.

    Raises:
        ZooError: If it is missing or wrong.
    """
    place = parse(name)
    path = download(place._replace(file=ENTRY))
    try:
        data = schema.mapping(schema.parse(path.read_bytes()), ENTRY)
    except SchemaError as error:
        raise ZooError(f'{name}: {ENTRY}: {error}') from None
    return parse_entry(data, f'{name}: {ENTRY}')


def check_repository(name: str) -> None:
    """Check, before a long test, that a repository can be pushed to.

    Raises:
        ZooError: If the name is wrong, or ``huggingface_hub`` is missing.
    """
    if not REPOSITORY.fullmatch(name) or '..' in name:
        raise ZooError(f'--push {name!r:.100}: expected USER/NAME')
    client()


def push(repository: str, files: Mapping[str, bytes], message: str) -> str:
    """Write files to a repository in one commit; it is created if it is new.

    Args:
        repository: ``USER/NAME``.
        files: Content by name.
        message: Of the commit.

    Returns:
        The address of the repository.

    Raises:
        ZooError: If it fails; the repository is then unchanged.
    """
    package = client()
    try:
        api = package.HfApi(endpoint=_endpoint())
        url = api.create_repo(repository, exist_ok=True)
        add = package.CommitOperationAdd
        operations = [
            add(path_in_repo=path, path_or_fileobj=content) for path, content in files.items()
        ]
        api.create_commit(repository, operations, commit_message=message)
    except Exception as error:
        raise ZooError(f'--push {repository}: {_reason(error)}') from None
    return str(url)
