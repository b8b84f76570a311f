"""Fast kernels: functions on arrays and numbers, no blobs, no messages.

cpu/<stem>.py offers the functions of layers/<stem>.py under the same names and parameters. Importing this package
costs nothing; importing a file in cpu/ loads Numba, and its functions are compiled (or read from the cache) when
they are first called. How to write one:

    from caffelike.kernels.launch import task

    @task
    def _scale(worker, lo, hi, x, y, factor):         # does the items lo..hi; compiled, so only numbers and arrays
        x, y = x[lo:hi], y[lo:hi]                     # see below
        factor = np.float32(factor)                   # Python floats arrive as float64
        for i in range(hi - lo):
            y[i] = x[i] * factor

    def forward(x, y, factor):                        # plain Python: the definition's parameters
        _scale(x.size, 16384, x.reshape(-1), y.reshape(-1), factor)

- `_scale(n, grain, *args)` runs the items 0..n in chunks of `grain` on all threads (in the caller's when there is
  one chunk). Cut by output, and choose n and grain from shapes alone: then the bits do not depend on the threads.
- Sums: give each chunk a slot of an array (`part[lo // grain]`) and add the slots up in order afterwards.
- None cannot be passed: pass an empty array and a flag, or have two tasks. Bools, ints, floats and arrays can.
- Only an index that counts from 0 (`x[i]`, i from range(n)) is known not to be negative; any other, x[lo + i] too,
  is checked for counting from the end, and the loop does not vectorise (measured: 10 times slower). Slice first.
- Write copies and fills as loops: `y[:] = x` takes Numba a second and more to compile.
- `@task(fastmath=SUMS)` (jit.py) lets sums vectorise and keeps NaN and infinity.
- `@kernel` (jit.py) compiles a function without threads, callable from Python and from tasks.
- `scratch(role, size)` and `aligned(size)` (launch.py) give float32 workspace; a task slices it by `worker`.
- vector.py emits explicit vector code where LLVM does not vectorise by itself.
"""
