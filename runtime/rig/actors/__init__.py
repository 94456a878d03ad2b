"""Actors on the event loop: ``system`` is the door, ``stream`` decides in turns, ``timers`` sends what is due."""
