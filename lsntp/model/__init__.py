"""The heart: graph product, learned graph, LS-Conv, ConvLSTM's cell, the encoder–decoder."""
