"""Simulation: real users come, lists are shown, and a stated click model says what is clicked."""
