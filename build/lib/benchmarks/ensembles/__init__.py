"""Ensembles with and without orthogonalisation, under attack."""
