"""Measurements of speed and memory: what they count, how they are taken, where they are kept.

`released` times a clone of the released code beside this library; `scale` lets the number of nodes
grow. Both are commands, ``python -m benchmarks released`` and ``python -m benchmarks scale``; their
records are shown in the notebook ``13_speed_and_scale``.
"""
