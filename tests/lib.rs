//! The rings that need a kernel: network namespaces, QEMU, fuzzing. What they share.
