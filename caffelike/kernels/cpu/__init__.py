"""Kernels for the processor, compiled by Numba: one file a layer type, found by its name."""
