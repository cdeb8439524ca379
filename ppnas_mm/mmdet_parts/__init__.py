"""What only mmdet needs; imported when a config asks for it."""
