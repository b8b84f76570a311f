"""Kernels for NVIDIA GPUs, found by stem as those in cpu/ are; door.py says how to write one."""
