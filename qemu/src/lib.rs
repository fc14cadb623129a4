//! The machines: a stand-in for the Pi firmware, QEMU itself, and a lab of network namespaces.
