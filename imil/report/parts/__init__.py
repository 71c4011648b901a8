"""Pieces that every card and page is built of."""
