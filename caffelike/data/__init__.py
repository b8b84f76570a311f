"""Where records come from (LMDB, LevelDB, HDF5, image lists, memory), how they are transformed and fetched ahead."""

from caffelike.data.writing import write_lmdb

__all__ = ["write_lmdb"]
