"""How states move: one file per integrator or sampler."""
