"""Steps of two processes of all algorithms, and of a detector with a frozen stage under DDP."""

from pathlib import Path

from parallel_checks import check_sent, check_step, run_steps
from parallel_steps import SEARCHES


def test_two_processes_step_as_one_does_on_both_batches(tmp_path: Path) -> None:
    run_steps(tmp_path, tuple(SEARCHES))
    for name in SEARCHES:
        check_step(name, tmp_path)
        check_sent(name, tmp_path)
