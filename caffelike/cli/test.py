"""`caffelike test`: score a model."""

from typing import Any

import click

from caffelike import log
from caffelike.cli import _options, _table, _terminal
from caffelike.errors import CaffelikeError


@click.command()
@_options.model_file
@click.argument("file", metavar="[WEIGHTS]", required=False, default="")
@click.option("--weights", default="", metavar="FILE", help="The .caffemodel, if not given as WEIGHTS.")
@_options.iterations
@_options.gpu
@_options.level
@_options.stage
@click.option(
    "--report", default="", metavar="DIR", help="Per-class accuracy and confusion matrix; - only prints them."
)
@click.option("--all", "whole", is_flag=True, help="Score each record of the data once, instead of -iterations.")
@click.option("--pictures", default="", metavar="LIST", help="Score a bundle on these: a file and a label a line.")
@click.option("--names", default="", metavar="FILE", help="The classes' names for the report, one a line.")
@click.option("--json", "as_json", is_flag=True, help="Print the scores as JSON, with --report the report too.")
def command(
    net: str,
    model: str,
    file: str,
    weights: str,
    iterations: int,
    gpu: str,
    level: int,
    stage: str,
    report: str,
    whole: bool,
    pictures: str,
    names: str,
    as_json: bool,
) -> None:
    """Score the weights in WEIGHTS on the data of NET (a prototxt), in phase TEST.

    A bundle has its weights: `caffelike test BUNDLE --pictures LIST` scores it on pictures, once each.

    Example: caffelike test train_val.prototxt net.caffemodel --iterations 100 --report -
    """
    if pictures:
        _score_pictures(_options.only_one(net, model, "model", "Which bundle?"), pictures, as_json)
        return
    path = _options.only_one(
        net, model, "model", "Need a model definition to score. Write `caffelike test NET WEIGHTS` or -model FILE."
    )
    from caffelike.bundle import is_bundle

    if not (file or weights) and is_bundle(path):
        raise CaffelikeError(f"{path} is a bundle, which is scored on pictures: --pictures LIST (lines `file label`).")
    trained = _options.only_one(
        file, weights, "weights", "Need model weights to score. Write `caffelike test NET WEIGHTS` or -weights FILE."
    )
    if iterations < 1:
        raise CaffelikeError(f"-iterations must be at least 1, but is {iterations}.")
    _options.use_device(gpu, "caffe.cpp:275")
    from caffelike import TEST, Net
    from caffelike.solvers.outputs import Outputs, weighted
    from caffelike.tools import score

    stages = stage.split(",")
    tested = Net(path, TEST, weights=trained, level=level, stages=stages)
    passes = score.every_record(tested, path, level, stages) if whole else score.batches(tested, iterations)
    confusion = _confusion(tested, names) if report else None
    log.info("caffe.cpp:281", f"Running for {passes.count} iterations.")
    outputs, loss = Outputs(tested), 0.0
    with _terminal.progress("test", passes.count) as show:
        for i, (net_, records) in enumerate(passes):
            loss += net_.run_forward() * records
            for name, _, value in outputs.named(outputs.add(Outputs(net_), records)):
                log.info("caffe.cpp:304", f"Batch {i}, {name} = {log.number(value)}")
            if confusion:
                confusion.add(net_)
            show(i + 1, lambda: "")
    log.info("caffe.cpp:309", f"Loss: {log.number(loss / passes.records)}")
    for name, weight, value in outputs.named(outputs.mean()):
        log.info("caffe.cpp:321", f"{name} = {log.number(value)}{weighted(weight, value)}")
    tested.close()
    if as_json:
        scores = {name: values.tolist() for name, values in outputs.by_name(outputs.mean()).items()}
        found = {"batches": passes.count, "loss": loss / passes.records, "outputs": scores}
        _table.echo_json(found | ({"report": confusion.to_dict()} if confusion else {}))
    if confusion:
        from caffelike.cli import _report

        if not as_json:
            _report.show(confusion)
        for path in confusion.write(report) if report != "-" else ():
            click.echo(f"Wrote {path}", err=as_json)


def _score_pictures(path: str, listing: str, as_json: bool) -> None:
    from caffelike import bundle
    from caffelike.data.imagelist import read_list
    from caffelike.inference import score

    found = score(bundle.read(path), [(line.path, line.label) for line in read_list(listing)])
    for error in found.errors:
        log.error("test.py:85", error)
    if not found.pictures:
        raise CaffelikeError(f"None of the pictures that {listing} names could be read.")
    shares = {"accuracy": found.first / found.pictures, "accuracy_top5": found.five / found.pictures}
    for name, share in shares.items():
        log.info("caffe.cpp:321", f"{name} = {log.number(share)}")
    if as_json:
        _table.echo_json({"pictures": found.pictures, "outputs": shares, "errors": found.errors})


def _confusion(net: Any, names: str) -> Any:
    from caffelike.tools.confusion import Confusion, read_names

    return Confusion(net, read_names(names) if names else None)
