"""Heads that mmpretrain, mmdet and mmseg lack; each is imported when a config names it."""
