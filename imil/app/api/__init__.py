"""Every step of a visitor as a named endpoint."""
