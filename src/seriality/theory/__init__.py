"""Circuits, constructions and theorems as code."""
