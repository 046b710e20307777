"""What goes with an erasure beside the shards, and the look at everything before its end."""
