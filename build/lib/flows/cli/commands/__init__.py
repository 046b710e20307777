"""How each command is written on the line, a module per family; what it does is in `work`."""
