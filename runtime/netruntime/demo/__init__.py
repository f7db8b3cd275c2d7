"""`make demo`, or `python -m netruntime.demo`: what the project does, shown in a minute.

A LeNet-5 learns real digits, the published MiniLM compares sentences, and two networks are drawn.
"""
