"""The forms in which servers take requests and send replies, read as strict and sloppy ones send them."""
