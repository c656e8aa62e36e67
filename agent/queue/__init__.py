"""The queue of campaigns: entering it, serving it, reordering it, adopting what a dead worker left."""
