"""Music: files <-> scores <-> arrays. Knows nothing of networks."""
