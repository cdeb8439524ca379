"""What only mmpretrain needs; imported when a config asks for it."""
