"""What each command does, with what it opens and reads; how it is written is in `commands`."""
