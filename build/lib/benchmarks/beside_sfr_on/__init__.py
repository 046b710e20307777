"""Our methods beside SFR-on's public code."""
