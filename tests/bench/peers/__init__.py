"""Drivers of other products: each installs its peer from the registries, starts it, measures, takes it away."""
