//! The kernel's network state as a value: what it should be, and the steps from what it is.
