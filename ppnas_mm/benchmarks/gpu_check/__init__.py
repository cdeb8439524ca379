"""Quick checks that need a GPU: parts in order of importance, each in its own process."""
