"""What the log says, held against what is stated and kept beside it."""
