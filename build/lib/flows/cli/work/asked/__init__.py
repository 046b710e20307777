"""What `lethe init` is asked for, part by part."""
