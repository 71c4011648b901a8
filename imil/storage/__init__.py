"""State: a port, its adapters, and the file formats."""
