//! Where things are on the card: partition numbers and the sectors outside partitions. The image builder and PID 1 share it.
