"""See ``ppnas demo --help``."""

from ppnas_mm import cli
from ppnas_mm.cli.demo import main

if __name__ == '__main__':
    cli.run_tool(main)
