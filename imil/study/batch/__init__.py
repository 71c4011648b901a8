"""A whole study without a screen."""
