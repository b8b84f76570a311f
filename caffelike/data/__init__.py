"""Where records come from (LMDB, LevelDB, HDF5, image lists, memory), how they are transformed and fetched ahead."""

from caffelike.data.lmdb import write_lmdb

__all__ = ["write_lmdb"]
