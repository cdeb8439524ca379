"""What only a GPU can show, in minutes: parts in order of worth, each in a process of its own."""
