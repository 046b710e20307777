"""The workspace's places, its parameters and its policy, each read in one place."""
