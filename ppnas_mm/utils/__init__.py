"""Helpers that every other part may use; import the module you need.

This file imports nothing, so that genotypes and checksums work without torch.
"""
