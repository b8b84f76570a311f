"""Where records come from (LMDB, LevelDB, HDF5, image lists, memory), how they are transformed and fetched ahead."""
