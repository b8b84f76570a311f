"""Checks every definition of a corpus, as `caffelike check` does, and counts what is wrong with them.

usage: python tools/check_corpus.py FOLDER [--seconds 90] [--details OUT.jsonl]

FOLDER holds one folder for each repository; each file is checked in a working folder that is its repository's, in both
phases. Files are grouped by the first error of each; the last line gives the counts. --details: a line [path, [errors],
seconds] for each file; files that are in there already are not checked again.
"""

import argparse
import json
import multiprocessing
import os
import re
import time
from collections import Counter
from pathlib import Path

Found = tuple[str, list[str], float]


def errors_of(folder: str, path: str) -> Found:
    """The errors of one file, and how long it took to find them."""
    from caffelike.check import check
    from caffelike.errors import CaffelikeError

    begin = time.monotonic()
    repository, _, rest = path.partition("/")
    os.chdir(Path(folder, repository))
    try:
        errors = [str(problem.message) for problem in check(rest) if problem.level == "error"]
    except CaffelikeError as error:
        errors = [str(error)]
    return path, errors, round(time.monotonic() - begin, 2)


def kind_of(error: str) -> str:
    """The error without names and numbers, so that equal ones fall together."""
    text = re.sub(r"Could not open net .*", "Could not open net: it is not there", error)
    known = re.match(r"unknown layer type \w+|[\w.]+ belongs to the fork", text)
    return known[0] if known else re.sub(r"'[^']*'|\"[^\"]*\"|\d+", "_", text)[:90]


def main() -> None:
    """Check, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--details", type=Path)
    arguments = parser.parse_args()
    folder = arguments.folder.resolve()
    files = sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    results: dict[str, Found] = {}
    if arguments.details and arguments.details.exists():
        lines = [json.loads(line) for line in arguments.details.read_text(encoding="utf-8").splitlines()]
        results = {line[0]: tuple(line) for line in lines}
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=100) as pool:
        for path in files:
            if path in results:
                continue
            try:
                results[path] = pool.apply_async(errors_of, (str(folder), path)).get(arguments.seconds)
            except multiprocessing.TimeoutError:
                results[path] = path, ["timeout"], arguments.seconds
            if arguments.details:
                with arguments.details.open("a", encoding="utf-8") as out:
                    out.write(json.dumps(results[path]) + "\n")
    groups = Counter(kind_of(results[path][1][0]) for path in files if results[path][1])
    for kind, count in groups.most_common():
        print(f"{count:5}  {kind}")
    print(f"{len(files)} files, {len(files) - sum(groups.values())} without an error, {sum(groups.values())} with")


if __name__ == "__main__":
    main()
