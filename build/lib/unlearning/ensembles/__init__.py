"""Several networks that answer together, and how alike what misleads them is."""
