"""What only mmseg needs; imported when a config asks for it."""
