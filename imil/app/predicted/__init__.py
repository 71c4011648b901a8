"""Predicted masks on the Outliers tab."""
