"""How fast requests are taken in, how alike their answers are, and whether one is ever lost."""
