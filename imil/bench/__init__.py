"""The benchmarks of the method, on workflow alone: synthetic films, and images of one's own."""
