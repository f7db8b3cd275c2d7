"""Pictures as arrays: decoding, layouts of axes, resizing and scaling."""
