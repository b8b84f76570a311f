"""Damages files of every kind that caffelike reads and watches what it does with them.

usage: python tools/fuzz.py [--minutes 10] [--runs N] [--seed 0] [--only KIND] [--keep FOLDER]
       python tools/fuzz.py --replay KIND FILE

Good files come from ../shared where that exists, and are made on the spot; each is changed at random places and read
in a process of its own. Nothing but a CaffelikeError may come out: an exception of another kind, a crash, more than
2 GB of addresses beyond those that Python has at the start, or a file that takes longer than SLOWEST seconds is a
failure. The file is then kept, with the traceback beside it, to be read again with --replay. Exit code 1 after any.

--minutes: CPU time altogether, divided among the kinds. --runs: so many files of each kind instead. The same seed
makes the same files. Needs fork and resource limits: Linux or macOS.
"""

import argparse
import os
import random
import re
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SHARED = ROOT.parent / "shared"
SLOWEST = 30
BATCH = 100
_MEMORY = 2 << 30  # of addresses: both phases of a ResNet-101 reserve a gigabyte of zeros that nobody writes
_LARGEST_SEED = 700_000


@dataclass(frozen=True)
class Kind:
    """A kind of file: good ones, and what is done with one. text: it is changed word by word, not byte by byte."""

    name: str
    seeds: Callable[[Path], list[bytes]]
    read: Callable[[Path], None]
    text: bool = False


# Good files -----------------------------------------------------------------------------------

SOLVER = """net: "net.prototxt" test_iter: 10 test_interval: 100 base_lr: 0.01 momentum: 0.9 weight_decay: 0.0005
lr_policy: "multistep" gamma: 0.1 stepvalue: [10, 20] max_iter: 1000 snapshot_prefix: "s" type: "Adam" iter_size: 2
train_state { stage: "a" } test_state { level: 1 } net_param { layer { name: "x" type: "ReLU" } } solver_mode: CPU
"""
OLD_NET = """name: "n"  # comment
input: "data" input_dim: [1, 3, 8, 8] input: "more" input_dim: 1 input_dim: 2 input_dim: 3 input_dim: 4
layers { name: "c" type: CONVOLUTION bottom: "data" top: "c" blobs_lr: 1.0f convolution_param <
  num_output: 0x4 kernel_size: 3 > }
layers { layer { name: "p" type: "padding" pad: 2 } bottom: "c" top: "p" }
layers { layer { name: "v" type: "conv" kernelsize: 3 num_output: 3 } bottom: "p" top: "v" }
layers { name: "d" type: DATA top: "d" data_param { source: 'x' "y" scale: 0.1 mean_file: "m" crop_size: 3 } }
layer { name: "b" type: 'BatchNorm' bottom: "v" top: "v" param { } param { } param { } include { phase: TEST } }
"""
EVERY_TYPE = """
layer { name: "in" type: "Input" top: "x" top: "y" top: "cont"
  input_param { shape { dim: 4 dim: 6 dim: 8 dim: 8 } shape { dim: 4 } shape { dim: 4 dim: 6 } } }
layer { name: "dd" type: "DummyData" top: "dd" dummy_data_param { shape { dim: 2 dim: 3 } data_filler { value: 1 } } }
layer { name: "conv" type: "Convolution" bottom: "x" top: "conv" param { name: "w" lr_mult: 1 } convolution_param {
  num_output: 4 kernel_h: 3 kernel_w: 2 stride: 2 pad: 1 dilation: 1 group: 2 axis: 1
  weight_filler { type: "xavier" } } }
layer { name: "de" type: "Deconvolution" bottom: "x" top: "de" convolution_param {
  num_output: 2 kernel_size: 4 weight_filler { type: "msra" } } }
layer { name: "pool" type: "Pooling" bottom: "x" top: "pool" pooling_param {
  pool: AVE kernel_size: 3 stride: 2 pad: 1 } }
layer { name: "spp" type: "SPP" bottom: "x" top: "spp" spp_param { pyramid_height: 3 pool: MAX } }
layer { name: "lrn" type: "LRN" bottom: "x" top: "lrn" lrn_param { local_size: 3 norm_region: WITHIN_CHANNEL } }
layer { name: "bn" type: "BatchNorm" bottom: "x" top: "bn" batch_norm_param { eps: 1e-4 use_global_stats: true } }
layer { name: "sc" type: "Scale" bottom: "bn" top: "bn" scale_param { axis: 1 num_axes: 2 bias_term: true } }
layer { name: "bi" type: "Bias" bottom: "x" top: "bi" bias_param { axis: -1 num_axes: 1 } }
layer { name: "re" type: "Reshape" bottom: "x" top: "re" reshape_param {
  shape { dim: 0 dim: -1 } axis: 0 num_axes: -1 } }
layer { name: "fl" type: "Flatten" bottom: "x" top: "fl" flatten_param { axis: 1 end_axis: -2 } }
layer { name: "sl" type: "Slice" bottom: "x" top: "s1" top: "s2" slice_param { axis: 1 slice_point: 2 } }
layer { name: "ca" type: "Concat" bottom: "s1" bottom: "s2" top: "ca" concat_param { axis: 1 } }
layer { name: "el" type: "Eltwise" bottom: "ca" bottom: "x" top: "el" eltwise_param {
  operation: SUM coeff: 1 coeff: 2 } }
layer { name: "cr" type: "Crop" bottom: "x" bottom: "pool" top: "cr" crop_param { axis: 2 offset: 1 offset: 2 } }
layer { name: "ti" type: "Tile" bottom: "x" top: "ti" tile_param { axis: 1 tiles: 3 } }
layer { name: "rd" type: "Reduction" bottom: "x" top: "rd" reduction_param { operation: MEAN axis: 1 coeff: 2 } }
layer { name: "am" type: "ArgMax" bottom: "x" top: "am" argmax_param { out_max_val: true top_k: 2 axis: 1 } }
layer { name: "em" type: "Embed" bottom: "y" top: "em" embed_param { input_dim: 9 num_output: 5 } }
layer { name: "ip" type: "InnerProduct" bottom: "x" top: "ip" inner_product_param {
  num_output: 7 weight_filler { type: "gaussian" } } }
layer { name: "ls" type: "LSTM" bottom: "x" bottom: "cont" top: "ls" recurrent_param { num_output: 3 } }
layer { name: "im" type: "Im2col" bottom: "x" top: "im" convolution_param { kernel_size: 3 } }
layer { name: "mv" type: "MVN" bottom: "x" top: "mv" mvn_param { across_channels: true } }
layer { name: "pr" type: "PReLU" bottom: "x" top: "pr" prelu_param { channel_shared: true } }
layer { name: "pa" type: "Parameter" top: "pa" parameter_param { shape { dim: 2 } } }
layer { name: "acc" type: "Accuracy" bottom: "ip" bottom: "y" top: "acc" include { phase: TEST }
  accuracy_param { top_k: 2 ignore_label: 1 } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "ip" bottom: "y" loss_weight: 2 loss_param { ignore_label: 3 } }
"""


def net_texts(folder: Path) -> list[bytes]:
    found = [OLD_NET.encode(), EVERY_TYPE.encode()]
    found += [path.read_bytes() for path in sorted((ROOT / "models").rglob("*.prototxt"))]
    published = SHARED / "wild" / "prototxt_public.tar.xz"
    if published.is_file():
        import tarfile

        with tarfile.open(published) as archive:
            small = [m for m in archive.getmembers() if m.isfile() and m.size < 8000]
            found += [archive.extractfile(m).read() for m in small[::6]]  # type: ignore[union-attr]
    return found


def solver_texts(folder: Path) -> list[bytes]:
    (folder / "net.prototxt").write_text(OLD_NET)
    return [SOLVER.encode(), *(p.read_bytes() for p in sorted((ROOT / "models").rglob("*solver*.prototxt")))]


def published_weights(suffix: str) -> list[bytes]:
    paths = sorted((SHARED / "weights").rglob(f"*{suffix}")) if SHARED.is_dir() else []
    return [path.read_bytes() for path in paths if path.stat().st_size < _LARGEST_SEED]


def caffemodels(folder: Path) -> list[bytes]:
    from caffelike.schema import NetParameter

    net = NetParameter(name="n")
    net.layer.add(name="a", type="Scale").blobs.append(_blob())
    net.layer.add(name="conv", type="Convolution").blobs.extend([_blob(), _blob()])
    old = net.layers.add(name="b", type=14)
    old.blobs.add(num=1, channels=1, height=2, width=2, double_data=[1, 2, 3, 4])
    net.layers.add().layer.blobs.append(_blob())
    half = b"\x3a\x03\x0a\x01\x02\x50\x02\x62\x04\x00\x3c\x00\x40"  # NVIDIA's: shape, raw_data_type 2, raw_data
    layer = b"\x0a\x01h\x12\x05Scale\x3a" + bytes([len(half)]) + half
    return [net.SerializeToString(), b"\xa2\x06" + bytes([len(layer)]) + layer, *published_weights(".caffemodel")]


def solverstates(folder: Path) -> list[bytes]:
    from caffelike.schema import SolverState

    state = SolverState(iter=5, learned_net="n", history=[_blob(), _blob()], current_step=1)
    return [state.SerializeToString(), *published_weights(".solverstate")]


def binaryprotos(folder: Path) -> list[bytes]:
    from caffelike.schema import BlobProto

    return [
        _blob().SerializeToString(),
        BlobProto(num=1, channels=3, height=2, width=2, data=range(12)).SerializeToString(),
    ]


def hdf5_files(folder: Path) -> list[bytes]:
    import h5py
    import numpy as np

    from caffelike.schema import LayerParameter
    from caffelike.schema.state import write_hdf5_state
    from caffelike.schema.stored import LayerArrays
    from caffelike.schema.weights import write_hdf5_weights

    array = np.arange(6, dtype=np.float32)
    layers = [LayerArrays(LayerParameter(name=name), [(array, array)]) for name in ("a/b", "conv")]
    write_hdf5_weights(folder / "w", layers)
    write_hdf5_state(folder / "s", 5, "n", 1, [array, array])
    with h5py.File(folder / "z", "w") as file:
        data = file.create_dataset("data/ip/0", data=np.ones((40, 30), np.float32), chunks=(8, 8), compression="gzip")
        data.attrs["note"] = "compressed"
    return [(folder / name).read_bytes() for name in "wsz"]


def datums(folder: Path) -> list[bytes]:
    import io

    import numpy as np
    from PIL import Image

    from caffelike.data.datum import to_bytes

    pixels = np.arange(3 * 5 * 4, dtype=np.uint8).reshape(3, 5, 4)
    found = [to_bytes(pixels, 7), to_bytes(pixels.astype(np.float32), -1)]
    for kind in ("PNG", "JPEG"):
        image = io.BytesIO()
        Image.fromarray(pixels.transpose(1, 2, 0)).save(image, kind)
        found.append(to_bytes(image.getvalue(), 3))
    return found


def _blob():  # type: ignore[no-untyped-def]
    from caffelike.schema import BlobProto

    message = BlobProto(data=range(6), diff=range(6))
    message.shape.dim.extend([2, 3])
    return message


# What is done with a file ---------------------------------------------------------------------


def read_definition(path: Path) -> None:
    from caffelike.check import check
    from caffelike.schema import NetParameter, text
    from caffelike.schema.reader import read

    check(path)
    problems: list = []
    text.format(read(path, NetParameter, problems).message)


def upgrade(path: Path) -> None:
    from caffelike.schema.upgrade_files import upgrade_net_proto_text

    upgrade_net_proto_text(str(path), str(path) + ".out")


def read_model(path: Path) -> None:
    from caffelike.schema.weights import layer_message, read_weights
    from caffelike.weights_report import inspect

    inspect(path)
    file = read_weights(path)
    for layer in file.layers:
        _read_all(layer.blobs)
        if file.generation != "HDF5":
            layer_message(file, layer)


def upgrade_model(path: Path) -> None:
    from caffelike.schema.upgrade_files import upgrade_net_proto_binary

    upgrade_net_proto_binary(str(path), str(path) + ".out")


def read_solver_state(path: Path) -> None:
    from caffelike.schema.state import read_state
    from caffelike.weights_report import inspect

    inspect(path)
    _read_all(read_state(path).history)


def read_array(path: Path) -> None:
    from caffelike.schema.weights import read_mean

    read_mean(path)


def read_hdf5(path: Path) -> None:
    from caffelike.errors import CaffelikeError

    for read in (read_model, read_solver_state):
        try:
            read(path)
        except CaffelikeError:
            continue


def read_datum(path: Path) -> None:
    from caffelike.data import datum, images

    record = datum.parse(path.read_bytes())
    if record.encoded and record.data is not None:
        images.decode(record.data)
    else:
        record.pixels()


def _read_all(blobs: list) -> None:
    for blob in blobs:
        if blob is not None:
            _ = blob.data, blob.diff


KINDS = [
    Kind("net", net_texts, read_definition, text=True),
    Kind("net bytes", net_texts, read_definition),
    Kind("solver", solver_texts, read_definition, text=True),
    Kind("upgrade", net_texts, upgrade, text=True),
    Kind("caffemodel", caffemodels, read_model),
    Kind("upgrade binary", caffemodels, upgrade_model),
    Kind("solverstate", solverstates, read_solver_state),
    Kind("binaryproto", binaryprotos, read_array),
    Kind("hdf5", hdf5_files, read_hdf5),
    Kind("datum", datums, read_datum),
]


# Damage ---------------------------------------------------------------------------------------

_WORD = re.compile(rb"\"[^\"\n]*\"|'[^'\n]*'|[\w.+-]+|\s+|.", re.DOTALL)
_NUMBERS = [
    *(b"0", b"-1", b"1", b"2", b"3", b"255", b"65536", b"2147483647", b"2147483648", b"4294967295", b"-2147483648"),
    *(b"9223372036854775807", b"18446744073709551615", b"1e10", b"1e400", b"-0.5", b"nan", b"inf", b"1000000000000"),
]
_BYTES = [
    *(b"\x00", b"\x7f", b"\x80", b"\xff", b"\xff\xff\xff\xff\x0f", b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    *(
        b"\x80\x80\x80\x80\x10",
        b"\x00\x00\x80\x7f",
        b"\x00\x00\xc0\x7f",
        b"\xff\xff\xff\x7f",
        b"\x0a",
        b"\x3a",
        b"\xa2\x06",
    ),
]


def damaged_text(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """A text with some words replaced, moved, doubled or taken out; or bytes of it changed."""
    words = _WORD.findall(good)
    pool = words + _WORD.findall(other)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 6))):
        if not words:
            break
        at = chance.randrange(len(words))
        match chance.randrange(8):
            case 0 | 1:
                numbers = [i for i, word in enumerate(words) if word[:1].isdigit()]
                words[chance.choice(numbers) if numbers else at] = chance.choice(_NUMBERS)
            case 2:
                words[at] = chance.choice(pool)
            case 3:
                words.insert(at, chance.choice(pool))
            case 4:
                del words[at]
            case 5:
                end = at + chance.randrange(1, 60)
                words[at:at] = words[at:end]
            case 6:
                del words[at : at + chance.randrange(1, 60)]
            case 7:
                strings = [i for i, word in enumerate(words) if word[:1] in b"\"'"]
                if len(strings) > 1:
                    words[chance.choice(strings)] = words[chance.choice(strings)]
    return b"".join(words)


def damaged_bytes(good: bytes, other: bytes, chance: random.Random) -> bytes:
    """Bytes with some changed, put in, taken out, doubled or from another file; early ones rather than late ones."""
    data = bytearray(good)
    for _ in range(chance.choice((1, 1, 2, 3, 8))):
        size = len(data)
        at = chance.randrange(min(size, chance.choice((64, 512, size))) + 1) if size else 0
        match chance.randrange(7):
            case 0 if at < size:
                data[at] ^= 1 << chance.randrange(8)
            case 1 if at < size:
                data[at] = chance.randrange(256)
            case 2:
                new = chance.choice(_BYTES)
                data[at : at + (len(new) if chance.random() < 0.5 else 0)] = new
            case 3:
                del data[at : at + chance.randrange(1, 20)]
            case 4:
                data[at:at] = data[at : at + chance.randrange(1, 200)]
            case 5:
                start = chance.randrange(len(other) + 1)
                data[at:at] = other[start : start + chance.randrange(1, 200)]
            case 6:
                del data[at:]
    return bytes(data)


def cases(kind: Kind, seeds: list[bytes], seed: int, start: int) -> Iterator[tuple[int, bytes]]:
    """Numbered damaged files without end, from number `start` on; each depends on kind, seed and number alone."""
    damage = damaged_text if kind.text else damaged_bytes
    number = start
    while True:
        chance = random.Random(f"{seed} {kind.name} {number}")
        yield number, damage(chance.choice(seeds), chance.choice(seeds), chance)
        number += 1


# Watching -------------------------------------------------------------------------------------


def limit_memory() -> None:
    """Let this process have _MEMORY more than it has."""
    if sys.platform == "linux":
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + _MEMORY, used + _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def attempt(kind: Kind, path: Path) -> str:
    """Read a file; the traceback of what must not come out, or ""."""
    from caffelike.errors import CaffelikeError

    try:
        kind.read(path)
    except CaffelikeError:
        return ""
    except BaseException:
        return traceback.format_exc()
    return ""


def child(kind: Kind, seeds: list[bytes], seed: int, start: int, count: int, folder: Path, keep: Path) -> int:
    """Read `count` files in this process; how many failed."""
    limit_memory()
    os.chdir(folder)
    failed = 0
    current, progress = folder / "current", folder / "progress"
    for number, data in cases(kind, seeds, seed, start):
        if number >= start + count:
            break
        current.write_bytes(data)
        progress.write_text(str(number))
        problem = attempt(kind, current)
        if problem:
            failed += 1
            save(kind, data, number, problem, keep)
    return failed


def save(kind: Kind, data: bytes, number: int, problem: str, keep: Path) -> None:
    """Keep a file that failed, and why."""
    keep.mkdir(parents=True, exist_ok=True)
    name = keep / f"{kind.name.replace(' ', '_')}_{number}"
    name.write_bytes(data)
    name.with_name(f"{name.name}.txt").write_text(problem)
    print(f"{kind.name}: file {number} failed: {problem.strip().splitlines()[-1]}\n  kept as {name}", flush=True)


def batch(kind: Kind, seeds: list[bytes], seed: int, start: int, count: int, keep: Path) -> tuple[int, int]:
    """Read files [start, start + count) in a process of their own; (how many were read, how many failed)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if kind.name == "solver":
            solver_texts(folder)
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                code = min(child(kind, seeds, seed, start, count, folder, keep), 100)
            except BaseException:
                traceback.print_exc()
                code = 101
            finally:
                os._exit(code)
        status = watch(pid, folder / "progress")
        if status is not None and os.WIFEXITED(status):
            return count, os.WEXITSTATUS(status)
        progress = folder / "progress"
        number = int(progress.read_text() or start) if progress.exists() else start
        how = f"took more than {SLOWEST} s" if status is None else f"crashed with signal {os.WTERMSIG(status)}"
        current = folder / "current"
        save(kind, current.read_bytes() if current.exists() else b"", number, how, keep)
        return number - start + 1, 1


def watch(pid: int, progress: Path) -> int | None:
    """The exit status of a process, or None when it had to be ended because one file took too long."""
    last, spent, before = "", 0.0, time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return status
        now = progress.read_text() if progress.exists() else ""
        # A long moment between two looks: this process was suspended, and the one it watches most likely, too.
        spent += min(time.monotonic() - before, 0.1)
        before = time.monotonic()
        if now != last:
            last, spent = now, 0.0
        if spent > SLOWEST:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return None
        time.sleep(0.02)


def run(kind: Kind, seconds: float, runs: int, seed: int, keep: Path) -> int:
    """Read damaged files of one kind for so much CPU time, or so many; how many failed."""
    with tempfile.TemporaryDirectory() as name:
        seeds = kind.seeds(Path(name))
    began, spent, done, failed = time.monotonic(), cpu(), 0, 0
    while done < runs if runs else cpu() - spent < seconds:
        count, bad = batch(kind, seeds, seed, done, min(BATCH, runs - done) if runs else BATCH, keep)
        done += count
        failed += bad
    took = time.monotonic() - began
    print(f"{kind.name}: {done} files from {len(seeds)} good ones in {took:.0f} s, {failed} failed", flush=True)
    return failed


def cpu() -> float:
    """CPU seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def load() -> None:
    """Import what is needed before memory is limited, and before every fork has to do it anew."""
    import h5py  # noqa: F401
    from PIL import Image

    import caffelike.check
    import caffelike.weights_report  # noqa: F401
    from caffelike import log, registry

    Image.init()
    log.logger.setLevel(100)
    assert "ReLU" in list(registry.layers)  # all of them: a type alone would bring in its own file only


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--runs", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=[kind.name for kind in KINDS])
    parser.add_argument("--keep", type=Path, default=Path("fuzz_failures"))
    parser.add_argument("--replay", nargs=2, metavar=("KIND", "FILE"))
    given = parser.parse_args()
    load()
    if given.replay:
        kind = next(kind for kind in KINDS if kind.name == given.replay[0])
        problem = attempt(kind, Path(given.replay[1]))
        print(problem or "no failure")
        return int(bool(problem))
    chosen = [kind for kind in KINDS if given.only in (None, kind.name)]
    seconds = given.minutes * 60 / len(chosen)
    failed = sum(run(kind, seconds, given.runs, given.seed, given.keep.absolute()) for kind in chosen)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
