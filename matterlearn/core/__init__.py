"""The five abstractions that everything in matterlearn speaks: energy, drive, dynamics, rule, observable."""
