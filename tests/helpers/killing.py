"""What has to hold after every kill; ``slow`` has tests of few and of many."""

from pathlib import Path

from flaky import flaky
from killed import digest, download, kill_at_random, write_checkpoints

from ppnas_mm.weights.checkpoint import load_checkpoint
from ppnas_mm.weights.download import obtain

CONTENT = {f'{i}.safetensors': bytes(range(256)) * (600 + 200 * i) for i in range(3)}


def check_killed_checkpoints(folder: Path, times: int, seed: int = 0) -> None:
    """The checkpoint is whole after every kill, and the kills hit the writing."""
    seen: list[float] = []

    def check() -> None:
        path = folder / 'epoch_1.pth'
        if path.exists():
            values = load_checkpoint(path)['state_dict']['w']
            assert values.shape == (500_000,) and (values == values[0]).all()
            seen.append(float(values[0]))

    kill_at_random(write_checkpoints, (str(folder),), times, check, seed)
    assert len(seen) == times
    assert list(folder.glob('.epoch_1.pth.*.tmp')), 'no kill came while a file was written'


def check_killed_downloads(folder: Path, times: int, seed: int = 0) -> None:
    """What has a final name is whole after every kill; what broke off is continued."""
    partial = 0

    def check() -> None:
        nonlocal partial
        for path in folder.iterdir():
            if not path.name.startswith('.'):
                assert path.read_bytes() == CONTENT[path.name], path
        partial += any(path.stat().st_size for path in folder.glob('.*.part'))

    with flaky(CONTENT) as server:
        server.always = dict(pause=0.001)
        wanted = {server.url(n): (len(data), digest(data)) for n, data in CONTENT.items()}
        kill_at_random(download, (str(folder), wanted), times, check, seed)
        assert partial > times // 4
        assert any(value for _, value in server.log), 'no download was continued'
        for url, (size, sha256) in wanted.items():
            target = folder / url.split('/')[-1]
            obtain([url], target, size, sha256)
            assert target.read_bytes() == CONTENT[target.name]
