"""200 SIGKILLs while checkpoints are written, and 200 while weights are downloaded."""

from pathlib import Path

from killing import check_killed_checkpoints, check_killed_downloads


def test_two_hundred_kills_while_checkpoints_are_written(tmp_path: Path) -> None:
    check_killed_checkpoints(tmp_path, 200)


def test_two_hundred_kills_while_weights_are_downloaded(tmp_path: Path) -> None:
    check_killed_downloads(tmp_path, 200)
