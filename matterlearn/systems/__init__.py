"""Materials: one file per energy."""
