"""Thin steps, one module per outside system: values and references in, values and references out."""
