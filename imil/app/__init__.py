"""The screen: clicks become arguments, results become components."""
