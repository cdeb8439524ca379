"""See ``ppnas publish --help``."""

from ppnas_mm import cli
from ppnas_mm.cli.publish import main

if __name__ == '__main__':
    cli.run_tool(main)
