"""One file a layer type: its options, its shapes and its definition in plain NumPy."""
