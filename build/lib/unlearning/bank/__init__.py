"""The shadow bank: its shadows, and what calibration and null band are read off them."""
