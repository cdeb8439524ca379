"""``python -m ppnas_mm``, the same as ``ppnas``."""

import sys

from ppnas_mm.cli.entry import main

if __name__ == '__main__':
    sys.exit(main())
