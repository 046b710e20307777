"""Spectra of layers and ways of clipping them: how near, how fast, and what they leave."""
