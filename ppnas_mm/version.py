"""Version of the package, and where it is at home."""

__version__ = '0.1.0'
HOME = 'https://github.com/ppnas-mm/ppnas_mm'
