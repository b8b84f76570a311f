"""From a net definition to something that runs: phases, splits, wiring, weights, and the plan of steps."""
