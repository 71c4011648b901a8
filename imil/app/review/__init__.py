"""The Outliers tab."""
