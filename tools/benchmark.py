"""See ``ppnas benchmark --help``."""

from ppnas_mm import cli
from ppnas_mm.cli.benchmark import main

if __name__ == '__main__':
    cli.run_tool(main)
