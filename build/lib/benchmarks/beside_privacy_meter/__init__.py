"""Our RMIA beside Privacy Meter's."""
