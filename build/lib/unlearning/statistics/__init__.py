"""Numbers about numbers: signals, intervals, simulation, power."""
