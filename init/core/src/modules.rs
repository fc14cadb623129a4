//! Which kernel modules to load, in which order, for which hardware.
