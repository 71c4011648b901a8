"""Predicted and copied masks on the Outliers tab."""
