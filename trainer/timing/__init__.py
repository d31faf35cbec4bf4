"""Where the time of training goes: each stage alone, the chain, the step, and both together."""
