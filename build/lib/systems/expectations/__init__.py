"""Great Expectations: what data and measurements must be, for a reviewer to read."""
