"""Thin calls, one module per outside system: values and references in and out."""
