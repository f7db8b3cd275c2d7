"""Images as arrays: decoding, axis layouts, resizing and scaling."""
