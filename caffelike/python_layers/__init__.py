"""Python layers that many published files name, written natively: Faster R-CNN's `rpn.proposal_layer` and its kin.

A file says `python_param { module: "rpn.proposal_layer" layer: "ProposalLayer" }`. Where the user can import such a
module, that one runs; else the class registered here under both names does, and the log says so once.
One file a layer; `registry.register_stand_in` enters it.
"""
