"""The trials through Ray Tune: searcher, scheduler, and callbacks."""
