"""All studies of this machine: begun, opened, imported, deleted."""
