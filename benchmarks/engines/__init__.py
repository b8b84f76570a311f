"""One file an engine. Each has NAME, VERSION() and load(job) -> (run, about).

run() does one pass (forward, or a whole training step) and returns the output of a forward pass as float32
(batch, classes), or None after a training step. about: the settings, for the table.
"""
