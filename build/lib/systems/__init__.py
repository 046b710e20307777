"""One package per outside system, none knowing another; only settings are shared."""
