"""Small tools that every other room may use; import the module you need.

Nothing is imported here: genotypes and checksums work without torch.
"""
