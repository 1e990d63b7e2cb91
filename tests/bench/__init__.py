"""Benchmarks. `make bench` runs them all; each module also runs alone and prints its figures as JSON lines."""
