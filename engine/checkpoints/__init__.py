"""What goes in: configs, side files and named tensors whose bytes are read later, by range."""
