"""The proposer's own runs while it develops: the instance, `measure`, its noise and its profile."""
