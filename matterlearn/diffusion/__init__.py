"""Score diffusion: noising processes, scores that are known, estimated or fitted, reverse steps, diagnostics."""
